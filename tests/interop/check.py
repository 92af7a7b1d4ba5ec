"""Other people's tools and a second verifier must say about attestations what Writ says. Any difference ends it."""

import base64
import collections
import hashlib
import json
import pathlib
import sys

import attestation
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

VECTORS = pathlib.Path(__file__).parents[1] / "vectors" / "attest"
KEYRING = attestation.load_keyring(VECTORS / "keyring.json")
NAMES = sorted(path.name.removesuffix(".statement.json") for path in VECTORS.glob("*.statement.json"))


def read(name):
    return (VECTORS / name).read_bytes()


def equal(one, two, what):
    if one != two:
        sys.exit(f"{what}: {one!r} is not {two!r}")


def reason(case):
    now = None if case["now"] is None else attestation.time(case["now"])
    try:
        if case["form"] == "compact":
            attestation.verify_compact(case["text"], KEYRING, now)
        else:
            attestation.verify_envelope(case["text"].encode(), KEYRING, now)
    except attestation.Refused as refused:
        return refused.args[0]
    return None


def check_tools():
    """securesystemslib checks the signature, in-toto-attestation reads the statement."""
    for name in NAMES:
        envelope = json.loads(read(f"{name}.envelope.json"))
        keys = [
            SSlibKey(key_id, "ed25519", "ed25519", {"public": key.hex()}) for key_id, (key, _, _) in KEYRING.items()
        ]
        parsed = Envelope.from_dict(json.loads(read(f"{name}.envelope.json")))
        equal(parsed.pae(), read(f"{name}.pae"), f"{name}: the signed bytes")
        signer = json.loads(parsed.payload)["predicate"]["signer"]
        equal(list(parsed.verify(keys, 1)), [signer], f"{name}: who signed")
        equal(parsed.to_dict(), envelope, f"{name}: the envelope")
        parsed.payload += b" "
        try:
            parsed.verify(keys, 1)
        except VerificationError:
            pass
        else:
            sys.exit(f"{name}: securesystemslib accepts any payload")

        statement = Statement.copy_from_pb(json_format.Parse(base64.b64decode(envelope["payload"]), statement_pb2.Statement()))
        statement.validate()
        equal(statement.pb.predicate_type, "https://writ.dev/attestation/v1", name)
        original = json.loads(read(f"{name}.statement.json"))
        equal(dict(statement.pb.subject[0].digest), original["subject"][0]["digest"], f"{name}: the subject")
        # Numbers pass through doubles there, and must survive it.
        equal(json_format.MessageToDict(statement.pb.predicate), original["predicate"], f"{name}: the predicate")
    return len(NAMES)


def check_forms():
    for name in NAMES:
        payload, compact = read(f"{name}.statement.json"), read(f"{name}.compact.txt").decode()
        original = json.loads(payload)
        equal(attestation.check_statement(original), payload, f"{name}: the canonical bytes")
        equal(attestation.pae(payload), read(f"{name}.pae"), f"{name}: the signed bytes")
        statement, signature = attestation.verify_compact(compact, KEYRING)
        equal(statement, original, f"{name}: the compact form")
        written = base64.urlsafe_b64encode(attestation.write_compact(original, signature)).decode().rstrip("=")
        equal(written, compact, f"{name}: the compact form, written")
        equal(attestation.verify_envelope(read(f"{name}.envelope.json"), KEYRING), original, f"{name}: the envelope")
        for member in ("admitBefore", "executionId", "issuedAt", "runtime", "signer"):
            del original["predicate"][member]
        decision = hashlib.sha256(b"writ.dev/decision/v1\0" + attestation.encode(original)).hexdigest()
        equal(f"sha256:{decision}".encode(), read(f"{name}.decision.txt"), f"{name}: the decision")
    return len(NAMES)


def check_reasons():
    cases = json.loads(read("verify.json"))
    for case in cases:
        equal(reason(case), case["reason"], f"{case['form']}: {case['what']}")
    return len(cases)


def check_binding():
    count = 0
    for file in json.loads(read("binding.json")):
        statement, _ = attestation.verify_compact(read(f"{file['attestation']}.compact.txt").decode(), KEYRING)
        for case in file["cases"]:
            equal(attestation.mismatch(statement, file["request"] | case["set"]), case["reason"], case["set"])
            count += 1
    return count


def check_mutants(path):
    counts = collections.Counter()
    for line in pathlib.Path(path).read_text().splitlines():
        case = json.loads(line)
        equal(reason(case), case["reason"], f"mutant {line}")
        counts[case["reason"] or "accepted"] += 1
    for code, count in sorted(counts.items()):
        print(f"  {count} {code}")
    return sum(counts.values())


def main():
    print(f"{check_tools()} envelopes: securesystemslib and in-toto-attestation accept them")
    print(f"{check_forms()} statements: the second verifier reads and writes the same bytes")
    print(f"{check_reasons()} texts and {check_binding()} requests: the second verifier gives the same reasons")
    for path in sys.argv[1:]:
        print(f"{check_mutants(path)} mutants: the second verifier says the same of each")


if __name__ == "__main__":
    main()
