"""The floor: the least that a Django view can do with an event and still have stored it."""
