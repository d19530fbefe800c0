"""The HTML pages: searches, feeds and items for people, rendered on the server with Jinja2.

`routes` asks the engine as the API does. `search_page`, `feed_page` and `item_page` turn the result into a view, with the
texts and URLs of a page. `templates/` decides the markup. The API imports this package only for the first page request.
"""
