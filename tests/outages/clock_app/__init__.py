"""A Django app that sets its process's clock by as many seconds as the file CLOCK says. Only for tests."""
