"""A backend behind the gateway: answers with what it saw, and takes orders only with the gateway's signature.

Usage: PORT=9000 BACKEND_KEY_ID=… BACKEND_SECRET=… [BACKEND_PREVIOUS_SECRET=…] python3 server.py   (Python ≥ 3.9)
"""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from verify import verify_gateway_signature

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_LINE_BYTES = 1024

KEY_ID = os.environ.get("BACKEND_KEY_ID", "orders-backend-key")
KEYS = [(KEY_ID, os.environ.get("BACKEND_SECRET", "quickstart-backend-secret-001"))]
if os.environ.get("BACKEND_PREVIOUS_SECRET"):
    KEYS.append((os.environ.get("BACKEND_PREVIOUS_KEY_ID", KEY_ID), os.environ["BACKEND_PREVIOUS_SECRET"]))

IDENTITY = [f"x-countersign-{name}" for name in ("key-id", "plan", "api", "environment")]


class BodyError(Exception):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written apart

    def answer(self):
        try:
            body = self.read_body()
        except BodyError as error:
            self.close_connection = True
            self.send_response(error.status)
            self.send_header("content-length", "0")
            self.send_header("connection", "close")
            self.end_headers()
            return
        # Not self.path: http.server folds a leading `//` into `/`.
        target = self.requestline.split()[1]
        signature = verify_gateway_signature(
            self.command, target, self.headers.items(), body, KEYS, time.time()
        )
        # To be believed only where the signature is valid: an API without backendSignature sends them unsigned.
        identity = {name: self.headers[name] for name in IDENTITY if name in self.headers}
        is_order = self.command == "POST" and identity.get("x-countersign-environment") == "release"
        reply = {
            "method": self.command,
            "path": target,
            "host": self.headers.get("host"),
            "bodyBytes": len(body),
            "gatewaySignature": signature,
            "identity": identity,
        }
        content = (json.dumps(reply, ensure_ascii=False) + "\n").encode()
        self.send_response(403 if is_order and not signature["valid"] else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def read_body(self):
        if "transfer-encoding" in self.headers:
            return self.read_chunks()
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 20):
            raise BodyError(400)
        if int(length) > MAX_BODY_BYTES:
            raise BodyError(413)
        return self.read_exactly(int(length))

    def read_chunks(self):
        """http.server leaves the chunked coding (RFC 9112 section 7.1) to the handler."""
        body = b""
        while True:
            size_text = self.rfile.readline(MAX_LINE_BYTES).split(b";")[0].strip()
            if not size_text or len(size_text) > 8 or size_text.strip(b"0123456789abcdefABCDEF"):
                raise BodyError(400)
            size = int(size_text, 16)
            if len(body) + size > MAX_BODY_BYTES:
                raise BodyError(413)
            if size == 0:
                break
            body += self.read_exactly(size)
            if self.read_exactly(2) != b"\r\n":
                raise BodyError(400)
        while self.rfile.readline(MAX_LINE_BYTES).strip():
            pass  # trailers
        return body

    def read_exactly(self, count):
        data = self.rfile.read(count)
        if len(data) != count:
            raise BodyError(400)
        return data

    def log_message(self, format, *args):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Handler)
    print(f"backend listens on 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
