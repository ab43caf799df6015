"""A client after Tencent's published Python sample, key pair: Date and Source signed with hmac-sha1."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import sys
from email.utils import formatdate
from urllib.parse import quote, urlencode, urlsplit

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from job import body_of, run_job


def sign(key_id, secret, date, source):
    text = "date: %s\nsource: %s" % (date, source)
    signature = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return 'hmac id="%s", algorithm="hmac-sha1", headers="date source", signature="%s"' % (key_id, signature)


def connect(job):
    address = urlsplit(job["endpoint"]).netloc

    def send(case):
        date, source = formatdate(usegmt=True), "watermark"
        headers = {
            "Accept": "text/html, */*; q=0.01",
            "Source": source,
            "Date": date,
            "Authorization": sign(job["keyId"], job["secret"], date, source),
            **case.get("headers", {}),
        }
        if "contentType" in case:
            headers["Content-Type"] = case["contentType"]
        body = json.dumps(case["json"]) if "json" in case else body_of(case)
        target = quote(case["path"]) + ("?" + urlencode([tuple(pair) for pair in case["query"]]) if case["query"] else "")
        connection = http.client.HTTPConnection(address, timeout=30)
        try:
            connection.request(case["method"], target, body, headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    return send


run_job(connect)
