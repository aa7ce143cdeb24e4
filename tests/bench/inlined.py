"""The same model inlined in one uvicorn: what whoever needs no platform would write.

It is started as `python3 -c` by its text; its one argument is the model, joblib's file in base64. It answers every POST
as Vertex's contract has it.
"""

import base64
import io
import json
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import joblib
import uvicorn

Message = MutableMapping[str, Any]
MODEL = joblib.load(io.BytesIO(base64.b64decode(sys.argv[1])))
HEADERS = [(b"content-type", b"application/json")]


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
    """Read the instances, predict, answer."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    predictions = MODEL.predict(json.loads(body)["instances"]).tolist() if body else []
    answer = json.dumps({"predictions": predictions}).encode()
    length = (b"content-length", str(len(answer)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=8080, access_log=False, log_level="warning", lifespan="off")
