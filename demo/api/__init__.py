"""The API of the page: named endpoints, which are MCP tools as well."""
