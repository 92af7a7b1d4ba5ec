"""A second verifier of attestations, written from docs/attestation.md and from nothing else of Writ's.

It shares no code, no language and no cryptographic library with the first, and reads its word list from that page.
"""

import base64
import binascii
import datetime
import hashlib
import json
import pathlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "attestation.md"
WORDS = re.findall(r"`(\S+?)`", next(line for line in PAGE.read_text().splitlines() if line.startswith("The words, from 0:")))
PREFIXES = ["system:serviceaccount:", "system:node:", "system:"]
PAYLOAD_TYPE = "application/vnd.in-toto+json"
SPKI = bytes.fromhex("302a300506032b6570032100")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MILLISECOND = datetime.timedelta(milliseconds=1)
OPERATIONS = ["CREATE", "UPDATE", "DELETE", "CONNECT"]
MODES = ["Enforce", "Warn", "Audit"]
OUTCOMES = ["Allow", "Deny"]


class Refused(Exception):
    """`args[0]` is the reason code."""


def need(condition, reason="AttestationMalformed"):
    if not condition:
        raise Refused(reason)


# --- Ed25519: what a strict check adds to the library's

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    e = (x1 + y1) * (x2 + y2) - x1 * x2 - y1 * y2
    c, d = D * t1 * t2, z1 * z2
    f, g, h = d - c, d + c, y1 * y2 + x1 * x2
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def is_neutral(point):
    return point[0] % P == 0 and (point[1] - point[2]) % P == 0


def decode_point(data):
    """The point that `data` is the canonical encoding of, or None."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def is_good_key(data):
    point = decode_point(data)
    return point is not None and not is_neutral(point) and is_neutral(multiply(L, point))


def verifies(key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    r = decode_point(signature[:32])
    return r is not None and not is_neutral(multiply(8, r)) and int.from_bytes(signature[32:], "little") < L


# --- Forms

def parse_json(data):
    def no_member_twice(pairs):
        need(len({name for name, _ in pairs}) == len(pairs))
        return dict(pairs)

    def no_double(_):
        raise Refused("AttestationMalformed")

    try:
        text = data.decode() if isinstance(data, bytes) else data
        need(not text.startswith("\ufeff"))
        return json.loads(text, object_pairs_hook=no_member_twice, parse_float=no_double, parse_constant=no_double)
    except (ValueError, RecursionError):
        raise Refused("AttestationMalformed") from None


def canonical(value):
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def encode(value):
    try:
        return canonical(value).encode()
    except UnicodeEncodeError:
        raise Refused("AttestationMalformed") from None


def decode64(text, alphabet):
    need(isinstance(text, str))
    try:
        data = base64.b64decode(text.encode("ascii"), altchars=alphabet, validate=True)
    except (ValueError, binascii.Error):
        raise Refused("AttestationMalformed") from None
    need(base64.b64encode(data, altchars=alphabet).decode() == text)
    return data


def time(text):
    need(isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text, re.ASCII))
    try:
        return (datetime.datetime.fromisoformat(text[:-1] + "+00:00") - EPOCH) // MILLISECOND
    except ValueError:
        raise Refused("AttestationMalformed") from None


def write_time(millis):
    need(0 <= millis <= 253402300799999)
    return (EPOCH + millis * MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pae(payload):
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


# --- The statement's rules

def text(value):
    need(isinstance(value, str))


def pattern(expression):
    return lambda value: need(isinstance(value, str) and re.fullmatch(expression, value, re.ASCII))


def one_of(*values):
    return lambda value: need(isinstance(value, (str, bool)) and value in values)


def optional(check):
    return lambda value: value is None or check(value)


def members(**checks):
    def check(value):
        need(isinstance(value, dict) and set(value) == set(checks))
        for name, inner in checks.items():
            inner(value[name])

    return check


def many(low, high, check):
    def check_all(value):
        need(isinstance(value, list) and low <= len(value) <= high)
        for item in value:
            check(item)

    return check_all


def integer(low, high):
    return lambda value: need(type(value) is int and low <= value <= high)


def subtrees(value):
    need(isinstance(value, dict) and len(value) <= 64)
    for tag in value.values():
        pattern(r"[0-9a-f]{8}")(tag)


def boolean(value):
    need(isinstance(value, bool))


DIGEST = pattern(r"sha256:[0-9a-f]{64}")
RESOURCE = members(group=text, resource=text, version=text)
DECISION = members(
    binding=members(digest=DIGEST, generation=integer(0, 2**53 - 1), mode=one_of(*MODES), name=text, uid=text),
    outcome=one_of(*OUTCOMES),
    params=optional(DIGEST),
    policy=members(digest=optional(DIGEST), id=text, version=text),
    reason=text,
    replay=optional(members(fingerprint=optional(DIGEST), mode=one_of("Once", "Repeatable"))),
    rule=optional(text),
    signals=optional(DIGEST),
)
PREDICATE = members(
    admitBefore=time,
    clusterId=text,
    decisions=many(1, 64, DECISION),
    dryRun=boolean,
    executionId=pattern(r"[a-z2-7]{25}[aeimquy4]"),
    generateName=optional(text),
    issuedAt=time,
    kind=members(group=text, kind=text, version=text),
    name=optional(text),
    namespace=text,
    oldObject=optional(members(digest=DIGEST, resourceVersion=text, uid=text)),
    operation=one_of(*OPERATIONS),
    projection=text,
    requestResource=RESOURCE,
    resource=RESOURCE,
    runtime=DIGEST,
    schemaVersion=integer(1, 1),
    signer=pattern(r"[0-9a-f]{64}"),
    storeId=text,
    subResource=text,
    subtrees=subtrees,
    userInfo=members(digest=DIGEST, uid=text, username=text),
)
STATEMENT = members(
    _type=one_of("https://in-toto.io/Statement/v1"),
    predicate=PREDICATE,
    predicateType=one_of("https://writ.dev/attestation/v1"),
    subject=many(1, 1, members(digest=members(writProjectionV1=pattern(r"[0-9a-f]{64}")), name=text)),
)


def subject_name(predicate):
    kind = predicate["kind"]
    api_version = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
    name = predicate["name"] if predicate["name"] is not None else predicate["generateName"] + "*"
    return f"{api_version}/{kind['kind']}/{predicate['namespace']}/{name}"


def check_statement(statement):
    """The canonical bytes of a statement that keeps all rules."""
    STATEMENT(statement)
    predicate = statement["predicate"]
    need((predicate["name"] is None) != (predicate["generateName"] is None))
    need(statement["subject"][0]["name"] == subject_name(predicate))
    issued, until = time(predicate["issuedAt"]), time(predicate["admitBefore"])
    need(0 <= issued < until <= issued + 120_000)
    for decision in predicate["decisions"]:
        replay = decision["replay"]
        need(replay is None or replay["mode"] == "Once" or replay["fingerprint"] is None)
        if decision["outcome"] == "Allow":
            need(None not in (decision["rule"], decision["signals"], decision["policy"]["digest"], replay))
            need(replay["mode"] == "Repeatable" or replay["fingerprint"] is not None)
    payload = encode(statement)
    need(len(payload) <= 48_000, "AttestationTooLarge")
    return payload


# --- The compact form

class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        need(self.at + length <= len(self.data))
        self.at += length
        return self.data[self.at - length : self.at]

    def byte(self):
        return self.take(1)[0]

    def number(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            need(value < 2**64 and not (byte == 0 and shift))
            if byte < 0x80:
                return value
            shift += 7

    def digest(self, present=True):
        return "sha256:" + self.take(32).hex() if present else None

    def utf8(self, length):
        try:
            return self.take(length).decode()
        except UnicodeDecodeError:
            raise Refused("AttestationMalformed") from None

    def text(self):
        header = self.number()
        shape, n = header & 3, header >> 2
        if shape == 0:
            return self.utf8(n)
        if shape == 1:
            need(n < len(WORDS))
            return WORDS[n]
        if shape == 3:
            need(n < len(PREFIXES))
            return PREFIXES[n] + self.utf8(self.number())
        need(n <= 2)
        if n == 1:
            return str(self.number())
        digits = self.take(16).hex()
        return digits if n == 2 else "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])


def number(value):
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(data) + bytes([value])


def pack(value):
    if value in WORDS:
        return number(WORDS.index(value) << 2 | 1)
    if re.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", value, re.ASCII):
        return number(2) + bytes.fromhex(value.replace("-", ""))
    if re.fullmatch(r"0|[1-9][0-9]{0,19}", value, re.ASCII) and int(value) < 2**64:
        return number(1 << 2 | 2) + number(int(value))
    if re.fullmatch(r"[0-9a-f]{32}", value, re.ASCII):
        return number(2 << 2 | 2) + bytes.fromhex(value)
    for index, prefix in enumerate(PREFIXES):
        if value.startswith(prefix):
            rest = value[len(prefix) :].encode()
            return number(index << 2 | 3) + number(len(rest)) + rest
    data = value.encode()
    return number(len(data) << 2) + data


def raw(digest):
    return b"" if digest is None else bytes.fromhex(digest.removeprefix("sha256:"))


def base32(data):
    return base64.b32encode(data).decode().rstrip("=").lower()


def read_resource(reader):
    group, version = reader.text(), reader.text()
    return {"group": group, "version": version, "resource": reader.text()}


def read_body(reader, signer):
    flags = reader.byte()
    need(flags < 0x80)
    p = {"schemaVersion": 1, "signer": signer, "dryRun": bool(flags & 1), "operation": OPERATIONS[flags >> 1 & 3]}
    p["clusterId"], p["storeId"] = reader.text(), reader.text()
    p["executionId"] = base32(reader.take(16))
    issued = reader.number()
    p["issuedAt"], p["admitBefore"] = write_time(issued), write_time(issued + reader.number())
    p["runtime"], p["projection"] = reader.digest(), reader.text()
    p["resource"] = read_resource(reader)
    p["requestResource"] = read_resource(reader) if flags & 8 else dict(p["resource"])
    kind = reader.text()
    version = {"group": reader.text(), "version": reader.text()} if flags & 16 else p["resource"]
    p["kind"] = {"group": version["group"], "version": version["version"], "kind": kind}
    p["subResource"], p["namespace"], name = reader.text(), reader.text(), reader.text()
    p["name"], p["generateName"] = (None, name) if flags & 64 else (name, None)
    p["oldObject"] = None
    if flags & 32:
        p["oldObject"] = {"uid": reader.text(), "resourceVersion": reader.text(), "digest": reader.digest()}
    p["userInfo"] = {"username": reader.text(), "uid": reader.text(), "digest": reader.digest()}
    subject = reader.take(32).hex()
    count = reader.number()
    need(count <= 64)
    p["subtrees"] = {}
    for _ in range(count):
        name = reader.text()
        p["subtrees"][name] = reader.take(4).hex()
    count = reader.number()
    need(count <= 64)
    p["decisions"] = [read_decision(reader) for _ in range(count)]
    need(reader.at == len(reader.data))
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://writ.dev/attestation/v1",
        "predicate": p,
        "subject": [{"name": subject_name(p), "digest": {"writProjectionV1": subject}}],
    }


def read_decision(reader):
    words, present = reader.byte(), reader.byte()
    mode, outcome, replay = words & 3, words >> 2 & 3, words >> 4
    need(mode < 3 and outcome < 2 and replay < 4 and present < 16)
    d = {"outcome": OUTCOMES[outcome]}
    d["binding"] = {"mode": MODES[mode], "name": reader.text(), "uid": reader.text()}
    d["binding"] |= {"generation": reader.number(), "digest": reader.digest()}
    d["policy"] = {"id": reader.text(), "version": reader.text(), "digest": reader.digest(present & 4)}
    d["params"] = reader.digest(present & 1)
    d["rule"] = reader.text() if present & 2 else None
    d["reason"] = reader.text()
    d["replay"] = None
    if replay:
        d["replay"] = {"mode": "Repeatable" if replay == 1 else "Once", "fingerprint": reader.digest(replay == 3)}
    d["signals"] = reader.digest(present & 8)
    return d


def write_compact(statement, signature):
    p = statement["predicate"]
    requested, other_kind = p["requestResource"] != p["resource"], False
    other_kind = (p["kind"]["group"], p["kind"]["version"]) != (p["resource"]["group"], p["resource"]["version"])
    bits = [p["dryRun"], False, False, requested, other_kind, p["oldObject"] is not None, p["name"] is None]
    flags = sum(bit << index for index, bit in enumerate(bits)) | OPERATIONS.index(p["operation"]) << 1
    issued = time(p["issuedAt"])
    out = [b"\x01", bytes.fromhex(p["signer"])[:8], signature, bytes([flags]), pack(p["clusterId"]), pack(p["storeId"])]
    out += [base64.b32decode(p["executionId"].upper() + "======"), number(issued), number(time(p["admitBefore"]) - issued)]
    out += [raw(p["runtime"]), pack(p["projection"])]
    for resource in [p["resource"]] + [p["requestResource"]] * requested:
        out += [pack(resource[name]) for name in ("group", "version", "resource")]
    out += [pack(p["kind"][name]) for name in ["kind"] + ["group", "version"] * other_kind]
    out += [pack(p["subResource"]), pack(p["namespace"]), pack(p["generateName"] if p["name"] is None else p["name"])]
    if p["oldObject"]:
        out += [pack(p["oldObject"]["uid"]), pack(p["oldObject"]["resourceVersion"]), raw(p["oldObject"]["digest"])]
    out += [pack(p["userInfo"]["username"]), pack(p["userInfo"]["uid"]), raw(p["userInfo"]["digest"])]
    out += [bytes.fromhex(statement["subject"][0]["digest"]["writProjectionV1"]), number(len(p["subtrees"]))]
    for name in sorted(p["subtrees"], key=str.encode):
        out += [pack(name), bytes.fromhex(p["subtrees"][name])]
    out += [number(len(p["decisions"]))] + [write_decision(decision) for decision in p["decisions"]]
    return b"".join(out)


def write_decision(d):
    binding, policy, replay = d["binding"], d["policy"], d["replay"]
    kind = 0 if replay is None else 1 if replay["mode"] == "Repeatable" else 2 if replay["fingerprint"] is None else 3
    present = [d["params"] is not None, d["rule"] is not None, policy["digest"] is not None, d["signals"] is not None]
    out = [bytes([MODES.index(binding["mode"]) | OUTCOMES.index(d["outcome"]) << 2 | kind << 4])]
    out += [bytes([sum(bit << index for index, bit in enumerate(present))])]
    out += [pack(binding["name"]), pack(binding["uid"]), number(binding["generation"]), raw(binding["digest"])]
    out += [pack(policy["id"]), pack(policy["version"]), raw(policy["digest"]), raw(d["params"])]
    out += [b"" if d["rule"] is None else pack(d["rule"]), pack(d["reason"])]
    return b"".join(out + [raw(replay["fingerprint"]) if replay else b"", raw(d["signals"])])


# --- Verification

def load_keyring(path):
    keyring = {}
    for entry in json.loads(path.read_text())["keys"]:
        der = base64.b64decode(entry["publicKey"], validate=True)
        key_id = hashlib.sha256(der).hexdigest()
        assert der.startswith(SPKI) and len(der) == 44 and is_good_key(der[12:]) and entry.get("keyId", key_id) == key_id
        bound = lambda name, default: time(entry[name][:19] + (entry[name][19:-1] or ".000") + "Z") if name in entry else default
        keyring[key_id] = (der[12:], bound("notBefore", -(2**63)), bound("notAfter", 2**63))
    return keyring


def verify_compact(text_form, keyring, now=None):
    """The statement and the signature of a compact form that holds."""
    need(len(text_form.encode()) <= 65536, "AttestationTooLarge")
    need("=" not in text_form)
    data = decode64(text_form + "=" * (-len(text_form) % 4), b"-_")
    need(len(data) >= 73 and data[0] == 1)
    short, signature = data[1:9].hex(), data[9:73]
    found = [key_id for key_id in keyring if key_id.startswith(short)]
    need(found, "KeyUnknown")
    need(len(found) == 1, "KeyAmbiguous")
    reader = Reader(data)
    reader.take(73)
    statement = read_body(reader, found[0])
    payload = check_statement(statement)
    need(write_compact(statement, signature) == data)
    finish(statement, payload, {found[0]: signature}, keyring, now)
    return statement, signature


def verify_envelope(data, keyring, now=None):
    """The statement of an envelope that holds."""
    need(len(data) <= 65536, "AttestationTooLarge")
    envelope = parse_json(data)
    members(payload=text, payloadType=one_of(PAYLOAD_TYPE), signatures=many(1, 4, members(keyid=pattern("[0-9a-f]{64}"), sig=text)))(envelope)
    payload = decode64(envelope["payload"], b"+/")
    signatures = {one["keyid"]: decode64(one["sig"], b"+/") for one in envelope["signatures"]}
    need(len(signatures) == len(envelope["signatures"]) and all(len(one) == 64 for one in signatures.values()))
    need(len(payload) <= 48_000, "AttestationTooLarge")
    statement = parse_json(payload)
    need(check_statement(statement) == payload)
    finish(statement, payload, signatures, keyring, now)
    return statement


def finish(statement, payload, signatures, keyring, now):
    predicate = statement["predicate"]
    signer, issued = predicate["signer"], time(predicate["issuedAt"])
    need(signer in keyring, "KeyUnknown")
    need(signer in signatures, "SignatureInvalid")
    for key_id, signature in signatures.items():
        need(key_id not in keyring or verifies(keyring[key_id][0], pae(payload), signature), "SignatureInvalid")
    _, first, last = keyring[signer]
    need(first <= issued <= last, "KeyInactive")
    if now is not None:
        need(issued <= now + 5_000, "AttestationNotYetValid")
        need(now < time(predicate["admitBefore"]), "AttestationExpired")


def mismatch(statement, request):
    """The reason for which a statement is not about `request`, or None."""
    p = statement["predicate"]
    for member, reason in [
        ("clusterId", "ClusterMismatch"),
        ("storeId", "StoreMismatch"),
        ("userInfo", "UserMismatch"),
        ("operation", "OperationMismatch"),
        ("resource", "ResourceMismatch"),
        ("requestResource", "RequestResourceMismatch"),
        ("kind", "KindMismatch"),
        ("subResource", "SubresourceMismatch"),
        ("namespace", "NamespaceMismatch"),
        ("name", "NameMismatch"),
        ("oldObject", "OldObjectMismatch"),
        ("dryRun", "DryRunMismatch"),
        ("projection", "ProjectionMismatch"),
    ]:
        holds = p[member] == request[member]
        if member == "name" and p["name"] is None:
            base = p["generateName"].encode()[:58]
            name = request["name"].encode()
            holds = p["operation"] == "CREATE" and p["generateName"] == request["generateName"]
            holds = holds and name.startswith(base) and len(name) == len(base) + 5
        if not holds:
            return reason
    return None
