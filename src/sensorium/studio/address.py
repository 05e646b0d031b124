"""Where the page lies on its server."""

PAGE = "/studio"
