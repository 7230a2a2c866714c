"""The HTTP face: the governed call and the verifier, for clients that speak the OpenAI images API.

    sdk serve --policy default --port 8080

`app` is an ASGI application; nothing in this wing can release a picture by another way than
`Studio.generate`.
"""
