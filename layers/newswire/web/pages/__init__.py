"""The page: what people see of the same searches, feeds and items that the API gives. HTML by Jinja2, loaded when asked for.

A call comes to `routes`, which asks the engine as the API does and makes a view: `search_page`, `feed_page` and `item_page`
say what is on each page, in words and addresses; `templates/` says how it looks.
"""
