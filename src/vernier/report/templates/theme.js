const root = document.documentElement, button = document.getElementById("theme");
const night = matchMedia("(prefers-color-scheme: dark)");
button.hidden = false;
button.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : night.matches;
  root.dataset.theme = dark ? "light" : "dark";
});
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
