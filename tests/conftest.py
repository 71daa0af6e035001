"""Every test is the same in every run, on a busy machine too."""

from hypothesis import settings

from postgres import new_store_url, postgres, store_url

__all__ = ["new_store_url", "postgres", "store_url"]  # fixtures made elsewhere

# Examples are drawn from the test itself, not from a clock; a slow machine is no failure.
# Half of the usual number: they are the same ones every time, and there are 200 properties.
settings.register_profile("calreg", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("calreg")

# pytest would take a folder's conftest for a module of doctests.
collect_ignore = ["conftest.py"]
