"""From recipe to artifacts: order, skip, dispatch, commit, record."""
