"""A Django app that makes its process die at a point of tests.chaos.points, once. Only for tests."""
