#!/usr/bin/env python3
"""Runs the recordings of the real service by their runner, and holds what comes
out against recordings.toml: the cases that are not answered as recorded, and
why. It ends 0 if exactly these differ.

    recordings.py RUNNER [--mended] [what the runner takes]

With --mended the causes are taken away (a fake answers as the service it stands
for, a path is not compared, a word is read as it was meant), and all cases must
pass but those that nothing mends."""
import json, os, re, sys, tempfile, threading, time, tomllib

here = os.path.dirname(os.path.abspath(__file__))
runner = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.dirname(runner))
import fakes, run


def differences():
    """case id -> its entry of the list"""
    with open(os.path.join(here, "recordings.toml"), "rb") as f:
        entries = tomllib.load(f)["differs"]
    return {case: entry for entry in entries for case in entry["cases"]}


def mend_case(case, entry):
    text = json.dumps(case, ensure_ascii=False)
    for pattern, reading in entry.get("read", []):
        text, n = re.subn(pattern, reading, text)
        if n == 0:
            sys.exit(f"{case['id']}: nothing reads {pattern}")
    case = json.loads(text)
    case["skip_verify"] = case.get("skip_verify", []) + entry.get("leave", [])
    return case


def mended(entry):
    return any(entry.get(how) for how in ("mend", "leave", "read"))


def mend_s3():
    """S3 says of every object how it is encrypted."""
    send, do_s3 = fakes.Handler.send, fakes.Handler.do_s3

    def send_encrypted(s, status, body=b"", ct="application/x-amz-json-1.0", **h):
        if getattr(s, "of_s3", False) and status < 300:
            h["x_amz_server_side_encryption"] = "AES256"
        return send(s, status, body, ct, **h)

    def do(s, *args):
        s.of_s3 = True
        try:
            return do_s3(s, *args)
        finally:
            s.of_s3 = False

    fakes.Handler.send, fakes.Handler.do_s3 = send_encrypted, do


def mend_dynamodb():
    """DynamoDB validates before it looks for the table."""
    put = fakes.World.dynamodb_PutItem

    def checked(s, p):
        if p.get("Item") is None:
            raise fakes.AwsError("com.amazon.coral.validate#ValidationException", "1 validation error detected: "
                                 "Value null at 'item' failed to satisfy constraint: Member must not be null")
        return put(s, p)

    fakes.World.dynamodb_PutItem = checked


def mend_lambda():
    """The bytes of a function are its answer."""
    fakes.HANDLERS["return_bytes_str"] = lambda event: "HelloWorld!"


def mend_sns():
    """A message is on its way for longer than the answer to who sent it."""
    deliver = fakes.World.deliver
    publish = fakes.World.sns_Publish

    def publish_later(s, p):
        late = []
        s.deliver = lambda *message: late.append(message)
        try:
            answer = publish(s, p)
        finally:
            del s.deliver
        for message in late:
            threading.Timer(0.1, deliver, (s, *message)).start()
        return answer

    fakes.World.sns_Publish = publish_later


def mend_sqs():
    """A message is on its way for longer than the answer to who sent it."""
    send = fakes.World.sqs_SendMessage

    def send_later(s, p):
        answer = send(s, p)
        s._q(p)["msgs"][-1]["_at"] = time.time() + 0.1
        return answer

    fakes.World.sqs_SendMessage = send_later


def mend_threads():
    """What a thread has yet to bring is waited for."""
    step = run.Runner.step

    def patient(s, st, env, ctx):
        if "match" in st:
            try:
                env.val(st["value"])
            except (run.Unresolved, KeyError):
                for thread in ctx["threads"]:
                    thread.join(5)
        return step(s, st, env, ctx)

    run.Runner.step = patient


def mend(known):
    for name in sorted({name for entry in known.values() for name in entry.get("mend", [])}):
        globals()["mend_" + name]()
    load = run.load
    run.load = lambda *args: [mend_case(c, known[c["id"]]) if c["id"] in known else c for c in load(*args)]


def judge(results, known):
    """tells what came out otherwise than listed; how much there is of it"""
    wrong = 0
    for r in results:
        entry, passed = known.get(r["id"]), r["status"].startswith("PASS")
        if r["status"] == "SKIP" or passed == (entry is None) or entry and entry.get("may"):
            continue
        wrong += 1
        print(("LISTED, AND PASSES  " if passed else "NOT LISTED  ") + r["id"])
    listed = sum(r["id"] in known and not r["status"].startswith("PASS") for r in results)
    print(f"{listed} differ as rig/recordings.toml tells, {wrong} otherwise")
    return wrong


def main():
    arguments = sys.argv[2:]
    known = differences()
    if "--mended" in arguments:
        arguments.remove("--mended")
        mend(known)
        known = {case: entry for case, entry in known.items() if not mended(entry)}
    if "--json" not in arguments:
        out = tempfile.NamedTemporaryFile(suffix=".json")
        arguments += ["--json", out.name]
    sys.argv = [runner] + arguments
    run.main()
    with open(arguments[arguments.index("--json") + 1]) as f:
        return 1 if judge(json.load(f), known) else 0


sys.exit(main())
