"""PyPI huaweicloudsdkcore through its own HTTP client."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from job import body_of, query_object, run_job

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.client import Client, ClientBuilder
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException
from huaweicloudsdkcore.sdk_response import SdkResponse


class Answer(SdkResponse):
    openapi_types = {}
    attribute_map = {}


class OrdersClient(Client):
    """As the vendor's generator writes a client: it names the module of its models."""

    def __init__(self):
        super().__init__()
        self.model_package = sys.modules[__name__]


def connect(job):
    credentials = BasicCredentials(ak=job["keyId"], sk=job["secret"], project_id="none")
    client = ClientBuilder(OrdersClient).with_credentials(credentials).with_endpoint(job["endpoint"]).build()

    def send(case):
        headers = dict(case.get("headers", {}))
        body = case.get("json")
        if "contentType" in case:
            headers["Content-Type"] = case["contentType"]
        binary = body_of(case)
        if binary is not None:
            with tempfile.NamedTemporaryFile(delete=False) as file:
                file.write(binary)
            body = open(file.name, "rb")  # the SDK takes files that are open for reading
            os.unlink(file.name)
        # The SDK escapes what fills a {place}, so the path is given as places.
        segments = case["path"].split("/")[1:]
        query = query_object(case["query"])
        places = {"p%d" % i: segment for i, segment in enumerate(segments)}
        try:
            response = client.do_http_request(
                case["method"],
                "".join("/{%s}" % name for name in places),
                path_params=places,
                query_params=list(query.items()),
                header_params=headers,
                body=body,
                response_type="Answer",
                collection_formats={name: "multi" for name, value in query.items() if isinstance(value, list)},
            )
            return response.status_code
        except ServiceResponseException as refused:
            return refused.status_code

    return send


run_job(connect)
