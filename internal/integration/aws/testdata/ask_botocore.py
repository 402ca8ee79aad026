"""Answers with what botocore makes of calls and answers, without a network.

Reads one JSON object a line:
  {"id", "names", "operation", "params"}                      what is sent
  {"id", "names", "operation", "status", "headers", "body"}   what is read
where id is the service's id and names are what botocore may call it. Writes
one JSON object a line; {"skip": why} where botocore does not know the call.
"""
import base64, datetime, json, sys
try:
    import botocore.awsrequest, botocore.config, botocore.parsers, botocore.session
except ImportError:
    print(json.dumps({"missing": "python3-botocore"}))
    sys.exit()

session = botocore.session.get_session()
loader = session.get_component("data_loader")
known = set(loader.list_available_services("service-2"))
clients = {}


def client_of(ask):
    if ask["id"] not in clients:
        clients[ask["id"]] = None
        for name in ask["names"]:
            if name in known and loader.load_service_model(name, "service-2")["metadata"].get("serviceId") == ask["id"]:
                clients[ask["id"]] = session.create_client(
                    name, region_name="us-east-1", endpoint_url="http://127.0.0.1:1",
                    aws_access_key_id="key", aws_secret_access_key="secret",
                    config=config())
                break
    return clients[ask["id"]]


def config():
    settings = {"parameter_validation": False, "inject_host_prefix": False, "retries": {"max_attempts": 0}, "s3": {"addressing_style": "path"}}
    try:
        return botocore.config.Config(request_checksum_calculation="when_required", **settings)
    except TypeError:  # an older one sends no checksums of its own accord
        return botocore.config.Config(**settings)


def typed(value, shape):
    """Blobs as bytes."""
    kind = shape.type_name
    if kind == "structure":
        return {name: typed(each, shape.members[name]) for name, each in value.items()}
    if kind == "list":
        return [typed(each, shape.member) for each in value]
    if kind == "map":
        return {name: typed(each, shape.value) for name, each in value.items()}
    return value.encode() if kind == "blob" else value


def known_of(value, shape):
    """What of a value the shape knows of."""
    kind = shape.type_name if shape is not None else "none"
    if kind == "none":
        return {}
    if kind == "structure":
        return {name: known_of(each, shape.members[name]) for name, each in value.items() if name in shape.members}
    if kind == "list":
        return [known_of(each, shape.member) for each in value]
    if kind == "map":
        return {name: known_of(each, shape.value) for name, each in value.items()}
    return value


def plain(value):
    """Bytes as text, times as text."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items() if name != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def sent(client, model, ask):
    caught = {}

    def catch(request, **_):
        caught["request"] = request
        return botocore.awsrequest.AWSResponse(request.url, 200, {}, Raw())

    event = f"before-send.{client.meta.service_model.service_id.hyphenize()}.{model.name}"
    client.meta.events.register(event, catch)
    try:
        client._make_api_call(model.name, typed(ask["params"], model.input_shape) if model.input_shape else {})
    except Exception:
        if "request" not in caught:
            raise
    finally:
        client.meta.events.unregister(event, catch)
    request = caught["request"]
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    text = lambda v: v.decode() if isinstance(v, bytes) else str(v)
    return {"method": request.method, "url": request.url, "headers": {k.lower(): text(v) for k, v in request.headers.items()},
            "body": base64.b64encode(body).decode()}


class Raw:
    """The body of an answer that nobody gave."""
    def stream(self, *_, **__):
        yield b""

    def read(self, *_, **__):
        return b""


def read(client, model, ask):
    body = base64.b64decode(ask["body"])
    output = model.output_shape
    answer = {"status_code": ask["status"], "headers": botocore.awsrequest.HeadersDict(ask.get("headers", {})), "body": body, "context": {"operation_name": model.name}}
    if output is not None and output.serialization.get("payload") and output.members[output.serialization["payload"]].type_name in ("blob", "string") and ask["status"] < 300:
        import io
        answer["body"] = io.BytesIO(body) if model.has_streaming_output else body
    out = {"known": known_of(ask["read"], output)} if "read" in ask else {}
    return out | {"parsed": plain(botocore.parsers.create_parser(ask["protocol"]).parse(answer, output))}


for line in sys.stdin:
    ask = json.loads(line)
    try:
        client = client_of(ask)
        if client is None or ask["operation"] not in client.meta.service_model.operation_names:
            out = {"skip": "unknown to this botocore"}
        elif getattr(client.meta.service_model, "resolved_protocol", None) not in (None, ask["protocol"]):
            out = {"skip": "this botocore speaks another protocol"}
        else:
            model = client.meta.service_model.operation_model(ask["operation"])
            out = (sent if "params" in ask else read)(client, model, ask)
    except KeyError as e:
        out = {"skip": f"unknown to this botocore: {e}"}
    except Exception as e:
        out = {"skip": "failed: " + repr(e)}
    try:
        print(json.dumps(out), flush=True)
    except TypeError as e:
        print(json.dumps({"skip": "no JSON: " + repr(e)}), flush=True)
