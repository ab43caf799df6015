"""A client after Tencent's published Python sample for applications. Its JSON form signs Content-MD5 and does not send it."""

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


def path_and_parameters(case):
    pairs = sorted(tuple(pair) for pair in case["query"])
    parameters = "&".join("%s=%s" % pair if pair[1] else pair[0] for pair in pairs)
    return case["path"] + ("?" + parameters if parameters else "")


def connect(job):
    address = urlsplit(job["endpoint"]).netloc

    def send(case):
        source, date, accept = "apigw test", formatdate(usegmt=True), "application/json"
        body = json.dumps(case["json"]) if "json" in case else body_of(case)
        data = body.encode() if isinstance(body, str) else body
        md5 = base64.b64encode(hashlib.md5(data).hexdigest().encode()).decode() if data else ""
        content_type = case.get("contentType", "")
        lines = ["source: " + source, "x-date: " + date, case["method"], accept, content_type, md5]
        text = "\n".join(lines + [path_and_parameters(case)])
        mac = hmac.new(job["secret"].encode(), text.encode(), hashlib.sha1).digest()
        headers = {
            "Accept": accept,
            "Source": source,
            "X-Date": date,
            "Authorization": 'hmac id="%s", algorithm="hmac-sha1", headers="source x-date", signature="%s"'
            % (job["keyId"], base64.b64encode(mac).decode()),
            **case.get("headers", {}),
        }
        if content_type:
            headers["Content-Type"] = content_type
        target = quote(case["path"]) + ("?" + urlencode([tuple(pair) for pair in case["query"]]) if case["query"] else "")
        connection = http.client.HTTPConnection(address, timeout=30)
        try:
            connection.request(case["method"], target, data, headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    return send


run_job(connect)
