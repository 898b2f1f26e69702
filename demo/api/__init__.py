"""What programs call: named endpoints and MCP tools."""
