"""HTTP: routes, formats, the OpenAPI document and the pages."""
