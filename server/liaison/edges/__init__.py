"""What clients connect to: WebSocket, HTTP, event streams, pages, health and metrics, on aiohttp."""
