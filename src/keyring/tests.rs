use super::*;

/// RFC 8032 section 7.1, tests 1 to 3.
const KEYS: [&str; 3] = [
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
];

fn bytes(hex: &str) -> [u8; 32] {
    *hex.parse::<KeyId>().unwrap().as_bytes()
}

fn key(index: usize) -> PublicKey {
    PublicKey::from_bytes(&bytes(KEYS[index])).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn keys_have_one_form_and_one_id() {
    let key = key(0);
    let der = key.to_der();
    assert_eq!(der.len(), 44);
    assert_eq!(key.id(), KeyId::of_spki(&der));
    assert_eq!(PublicKey::from_der(&der), Ok(key.clone()));
    assert_eq!(PublicKey::from_pem(&key.to_pem()), Ok(key));
    let mut parameters = der.clone();
    parameters.splice(2..4, [0x30, 0x07]);
    for wrong in [&der[..43], &[der.as_slice(), &[0]].concat(), &der[12..], &parameters, &[]] {
        assert_eq!(PublicKey::from_der(wrong), Err(KeyringError::NotEd25519));
    }
}

#[test]
fn weak_keys_are_refused() {
    for (hex, what) in [
        ("0100000000000000000000000000000000000000000000000000000000000000", "order 1"),
        ("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "order 2"),
        ("0000000000000000000000000000000000000000000000000000000000000000", "order 4"),
        ("0000000000000000000000000000000000000000000000000000000000000080", "order 4"),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "order 8"),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", "order 8"),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "order 8"),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "order 8"),
        ("0100000000000000000000000000000000000000000000000000000000000080", "order 1, sign of zero"),
        ("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "y = p + 1"),
        ("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "y = p"),
        ("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "y = p + 3, of full order"),
        ("0200000000000000000000000000000000000000000000000000000000000000", "not on the curve"),
    ] {
        assert_eq!(PublicKey::from_bytes(&bytes(hex)), Err(KeyringError::WeakKey), "{what}");
    }
}

#[test]
fn keys_of_mixed_order_are_refused() {
    // A good key plus a point of order 8: some verifiers accept signatures by it that others refuse.
    let torsion = VerifyingKey::from_bytes(&bytes("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"));
    let mixed = VerifyingKey::from_bytes(&bytes(KEYS[0])).unwrap().to_edwards() + torsion.unwrap().to_edwards();
    let mixed = VerifyingKey::from(mixed);
    assert!(!mixed.is_weak());
    assert_eq!(PublicKey::from_bytes(mixed.as_bytes()), Err(KeyringError::WeakKey));
}

#[test]
fn pem_is_read_strictly() {
    let (one, two) = (key(0).to_pem(), key(1).to_pem());
    let accepted = [one.clone(), one.replace('\n', "\r\n"), format!("\n{one}\n"), one.replacen("AyEA", "AyEA\n", 1)];
    for text in accepted {
        assert_eq!(PublicKey::from_pem(&text), Ok(key(0)), "{text}");
    }
    for wrong in [
        String::new(),
        one.replace("END", "BEGIN"),
        one.replace("PUBLIC KEY", "CERTIFICATE"),
        one.replace("=\n", "\n"),
        format!("comment\n{one}"),
        one[..80].to_owned(),
        format!("{one}{two}"),
    ] {
        assert_eq!(PublicKey::from_pem(&wrong), Err(KeyringError::Pem), "{wrong}");
    }
    assert_eq!(PublicKey::from_pem(&one.replace("PUBLIC", "PRIVATE")), Err(KeyringError::PrivateKey));
    assert_eq!(Keyring::parse(&format!("{one}\n{two}")).unwrap().iter().len(), 2);
}

#[test]
fn keyrings_hold_each_key_once() {
    let always = |index| KeyringEntry::always(key(index));
    let backwards = KeyringEntry {
        key: key(0),
        not_before: Some(time("2026-01-02T00:00:00Z")),
        not_after: Some(time("2026-01-01T00:00:00Z")),
    };
    assert_eq!(Keyring::new([]), Err(KeyringError::Empty));
    assert_eq!(Keyring::new([always(0), always(1), always(0)]), Err(KeyringError::DuplicateKey(key(0).id())));
    assert_eq!(Keyring::new([backwards]), Err(KeyringError::Window(key(0).id())));
    let many = (0..=64).map(|seed| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key());
    let many: Vec<_> = many.map(|k| KeyringEntry::always(PublicKey::from_bytes(k.as_bytes()).unwrap())).collect();
    assert_eq!(Keyring::new(many.clone()), Err(KeyringError::TooLarge));
    assert_eq!(Keyring::new(many.into_iter().skip(1)).unwrap().iter().len(), MAX_KEYS);
    assert_eq!(Keyring::parse(&" ".repeat(MAX_KEYRING_BYTES + 1)), Err(KeyringError::TooLarge));
}

#[test]
fn lookup_is_by_whole_or_unambiguous_short_id() {
    let keyring = Keyring::new((0..3).map(|index| KeyringEntry::always(key(index)))).unwrap();
    for index in 0..3 {
        let id = key(index).id();
        assert_eq!(keyring.find(&id).map(|entry| &entry.key), Ok(&key(index)));
        assert_eq!(keyring.find_short(id.short()).map(|entry| &entry.key), Ok(&key(index)));
    }
    assert_eq!(keyring.find(&KeyId::from_bytes([0; 32])), Err(LookupError::Unknown));
    assert_eq!(keyring.find_short(ShortKeyId::from_bytes([0xff; 8])), Err(LookupError::Unknown));

    // Keys whose ids share 64 bits cannot be had, so the map is filled with ids that are not of their keys.
    let [id, mut twin] = [key(0).id(); 2].map(|id| *id.as_bytes());
    twin[31] ^= 1;
    let entries = [(id, 0), (twin, 1)].map(|(id, index)| (KeyId::from_bytes(id), KeyringEntry::always(key(index))));
    let keyring = Keyring { entries: entries.into() };
    assert_eq!(keyring.find_short(key(0).id().short()), Err(LookupError::Ambiguous));
}

#[test]
fn both_ends_of_a_window_belong_to_it() {
    let (first, last) = (time("2026-01-01T00:00:00Z"), time("2026-06-30T23:59:59Z"));
    let entry = KeyringEntry { key: key(0), not_before: Some(first), not_after: Some(last) };
    let millisecond = std::time::Duration::from_millis(1);
    for (at, active) in
        [(first, true), (last, true), (first.minus(millisecond), false), (last.plus(millisecond), false)]
    {
        assert_eq!(entry.is_active_at(at), active, "{at}");
    }
    assert!(KeyringEntry::always(key(0)).is_active_at(Timestamp::from_millis(i64::MIN)));
    assert!(!KeyringEntry { not_after: None, ..entry.clone() }.is_active_at(first.minus(millisecond)));
    assert!(!KeyringEntry { not_before: None, ..entry }.is_active_at(last.plus(millisecond)));
}

#[test]
fn the_file_is_read_strictly() {
    let id = key(0).id();
    let base64 = STANDARD.encode(key(0).to_der());
    let text = format!(
        r#"{{"schemaVersion": 1, "keys": [{{"keyId": "{id}", "publicKey": "{base64}",
            "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2026-12-31T00:00:00Z"}}]}}"#
    );
    let keyring = Keyring::parse(&text).unwrap();
    let entry = keyring.find(&id).unwrap();
    assert_eq!(entry.not_before, Some(time("2026-01-01T00:00:00Z")));
    assert_eq!(entry.not_after, Some(time("2026-12-31T00:00:00Z")));
    assert_eq!(Keyring::parse(&keyring.to_json()), Ok(keyring.clone()));
    let short = format!(r#"{{"schemaVersion":1,"keys":[{{"publicKey":"{base64}"}}]}}"#);
    assert_eq!(Keyring::parse(&short), Keyring::new([KeyringEntry::always(key(0))]));

    for (from, to) in [
        ("\"schemaVersion\": 1,", ""),
        ("\"schemaVersion\": 1", "\"schemaVersion\": 2"),
        ("\"keys\"", "\"key\""),
        ("[{", "{"),
        ("\"keyId\": \"", "\"keyId\": \"0"),
        (&format!("\"{id}\""), "null"),
        ("\"publicKey\"", "\"publickey\""),
        (&base64, &base64[4..]),
        (&base64, "!"),
        ("\"notBefore\": \"2026", "\"notBefore\": \"26"),
        ("\"notAfter\": \"2026-12-31T00:00:00Z\"", "\"notAfter\": 7"),
        ("\"notAfter\"", "\"notBefore\""),
        ("\"notAfter\"", "\"revokedAt\""),
        ("2026-12", "2025-12"),
        ("]}", "]"),
    ] {
        let wrong = text.replacen(from, to, 1).replace("[{", if from == "[{" { "{" } else { "[{" });
        assert_ne!(wrong, text, "{from}");
        assert!(Keyring::parse(&wrong).is_err(), "{wrong}");
    }
    assert_eq!(Keyring::parse(r#"{"schemaVersion":1,"keys":[]}"#), Err(KeyringError::Empty));
}
