//! The CIDR library of Kubernetes (`pkg/cel/library/cidr.go`): an address with the length of its prefix.

use core::net::IpAddr;

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{Foreign, Opaque, Value},
    },
    Cost, Declarations,
    ip::{IP, Ip},
    no_such_overload,
};

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

/// The type of networks.
const CIDR: Type = Type::Opaque("net.CIDR");

/// An address, of which the first `bits` bits say the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cidr {
    ip: Ip,
    bits: u8,
}

impl Foreign for Cidr {
    fn type_name(&self) -> &'static str {
        "net.CIDR"
    }

    fn literal(&self) -> String {
        format!("cidr(\"{self}\")")
    }

    fn equals(&self, other: &Opaque) -> bool {
        other.get() == Some(self)
    }

    fn size(&self) -> u64 {
        u64::from(self.bits.div_ceil(8))
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.ip.0, self.bits)
    }
}

/// The bits of an address, from the left of 128.
fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// `length` ones from the left.
fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or_default()
}

impl Cidr {
    /// Reads a network as Go's `netip.ParsePrefix` does, without what Kubernetes refuses.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (address, length) =
            text.rsplit_once('/').ok_or("not a CIDR: write an address, `/` and the prefix length")?;
        let ip = Ip::parse(address)?;
        let bits = Self::length(length).ok_or("the prefix length is no decimal number without leading zeros")?;
        let most = if ip.0.is_ipv4() { 32 } else { 128 };
        if bits > most { Err("the prefix length is out of range") } else { Ok(Self { ip, bits }) }
    }

    fn length(text: &str) -> Option<u8> {
        let decimal = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
        if decimal { text.parse().ok() } else { None }
    }

    /// Whether the first bits of `address` are those of the network; never for an address of the other family.
    fn contains(self, address: Ip) -> bool {
        self.ip.0.is_ipv4() == address.0.is_ipv4() && (bits_of(self.ip.0) ^ bits_of(address.0)) & mask(self.bits) == 0
    }

    fn covers(self, other: Self) -> bool {
        self.bits <= other.bits && self.contains(other.ip)
    }

    fn masked(self) -> Self {
        let bits = bits_of(self.ip.0) & mask(self.bits);
        let address = match self.ip.0 {
            IpAddr::V4(_) => IpAddr::V4(u32::try_from(bits >> 96).unwrap_or_default().into()),
            IpAddr::V6(_) => IpAddr::V6(bits.into()),
        };
        Self { ip: Ip(address), bits: self.bits }
    }
}

pub(super) fn declare(into: &mut Declarations) {
    use Type::{Bool, Int, String};
    into.function("cidr")
        .about("The network that a text says: an address, `/` and the length of its prefix. The other bits are kept.")
        .example("cidr('192.168.0.0/16') == cidr('192.168.0.1/16')", "false")
        .example("isCIDR('192.168.0.0/33') || isCIDR('10.0.0.0/08') || isCIDR('fe80::1%eth0/64')", "false")
        .global([String], CIDR, Cost::Scan(0), cidr);
    into.function("isCIDR")
        .about("Whether a text is a network, by the rules of `isIP` for its address.")
        .example("isCIDR('::1/128')", "true")
        .example("isCIDR('::1/129')", "false")
        .global([String], Bool, Cost::Scan(0), is_cidr);
    into.function("string").global([CIDR], String, Cost::Unit, to_string);
    let within = |masked, parsed| Cost::Within { masked, parsed };
    into.function("containsIP")
        .about("Whether an address, or a text that says one, is in the network.")
        .example("cidr('192.168.0.0/24').containsIP(ip('192.168.0.1'))", "true")
        .example("cidr('192.168.0.0/24').containsIP('192.168.1.1')", "false")
        .undecided(within(false, false))
        .method([CIDR, String], Bool, within(false, true), contains_ip)
        .method([CIDR, IP], Bool, within(false, false), contains_ip);
    into.function("containsCIDR")
        .about("Whether a network, or a text that says one, is all in the network.")
        .example("cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24')", "true")
        .example("cidr('192.168.0.0/16').containsCIDR(cidr('192.0.0.0/8'))", "false")
        .undecided(within(true, false))
        .method([CIDR, String], Bool, within(true, true), contains_cidr)
        .method([CIDR, CIDR], Bool, within(true, false), contains_cidr);
    into.function("ip").example("cidr('192.168.0.1/24').ip()", "ip('192.168.0.1')").method([CIDR], IP, Cost::Unit, ip);
    into.function("prefixLength")
        .about("The length of the prefix, in bits.")
        .example("cidr('192.168.0.0/16').prefixLength()", "16")
        .method([CIDR], Int, Cost::Unit, prefix_length);
    into.function("masked")
        .about("The network with the bits after its prefix set to zero: its canonical form.")
        .example("cidr('192.168.0.1/24').masked()", "cidr('192.168.0.0/24')")
        .method([CIDR], CIDR, Cost::Unit, masked);
}

fn parsed(fuel: &mut Fuel, name: &'static str, text: &str) -> Result<Cidr, EvaluationErrorKind> {
    fuel.scan(text.len())?;
    Cidr::parse(text).map_err(|reason| EvaluationErrorKind::InvalidArgument { function: name, reason })
}

fn cidr<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("cidr", arguments)) };
    parsed(fuel, "cidr", text).map(Value::opaque)
}

fn is_cidr<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("isCIDR", arguments)) };
    fuel.scan(text.len())?;
    Ok(Value::Bool(Cidr::parse(text).is_ok()))
}

fn receiver(name: &'static str, arguments: &[Value<'_>]) -> Result<Cidr, EvaluationErrorKind> {
    let target = arguments.first().and_then(|first| first.as_opaque::<Cidr>());
    target.copied().ok_or_else(|| no_such_overload(name, arguments))
}

fn contains_ip<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let network = receiver("containsIP", arguments)?;
    let address = match arguments {
        // A text that is no address is refused as if it were no text; so does the API server.
        [_, Value::String(text)] => {
            fuel.scan(text.len())?;
            Ip::parse(text).ok()
        }
        [_, other] => other.as_opaque::<Ip>().copied(),
        _ => None,
    };
    let address = address.ok_or_else(|| no_such_overload("containsIP", arguments))?;
    Ok(Value::Bool(network.contains(address)))
}

fn contains_cidr<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let network = receiver("containsCIDR", arguments)?;
    let other = match arguments {
        [_, Value::String(text)] => parsed(fuel, "containsCIDR", text)?,
        [_, other] => receiver("containsCIDR", std::slice::from_ref(other))?,
        _ => return Err(no_such_overload("containsCIDR", arguments)),
    };
    Ok(Value::Bool(network.covers(other)))
}

fn to_string<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::from(receiver("string", arguments)?.to_string()))
}

fn ip<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::opaque(receiver("ip", arguments)?.ip))
}

fn prefix_length<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Int(receiver("prefixLength", arguments)?.bits.into()))
}

fn masked<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::opaque(receiver("masked", arguments)?.masked()))
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// Addresses that often share their first bits.
    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (any::<u32>(), 0_u32..32)
                .prop_map(|(noise, keep)| IpAddr::V4(Ipv4Addr::from(0x0a01_0203 ^ (noise >> keep)))),
            (any::<u128>(), 0_u32..128)
                .prop_map(|(noise, keep)| IpAddr::V6(Ipv6Addr::from((0x2001_0db8 << 96) ^ (noise >> keep)))),
        ]
    }

    /// The first `length` bits, one by one.
    fn prefix(address: IpAddr, length: u8) -> String {
        let bits = match address {
            IpAddr::V4(v4) => format!("4:{:032b}", v4.to_bits()),
            IpAddr::V6(v6) => format!("6:{:0128b}", v6.to_bits()),
        };
        bits.chars().take(2 + usize::from(length)).collect()
    }

    proptest! {
        #[test]
        fn networks_are_compared_by_their_first_bits(a in address(), b in address(), x in 0_u8..=128, y in 0_u8..=128) {
            let network = |address: IpAddr, bits: u8| {
                let most = if address.is_ipv4() { 32 } else { 128 };
                Cidr::parse(&format!("{address}/{}", bits.min(most))).unwrap()
            };
            let (a, b) = (network(a, x), network(b, y));
            let shares = prefix(a.ip.0, a.bits) == prefix(b.ip.0, a.bits);
            prop_assert_eq!(a.contains(b.ip), shares);
            prop_assert_eq!(a.covers(b), shares && a.bits <= b.bits);
            let masked = a.masked();
            prop_assert_eq!(masked.masked(), masked);
            prop_assert!(masked.covers(a) && a.covers(masked));
            let all = prefix(masked.ip.0, 128);
            prop_assert_eq!(&all, &format!("{:0<width$}", prefix(a.ip.0, a.bits), width = all.len()));
            prop_assert_eq!(Cidr::parse(&a.to_string()), Ok(a));
        }

        #[test]
        fn no_text_makes_the_parsers_fail(text in "[0-9a-fA-F:./%]{0,45}|\\PC{0,12}") {
            if let Ok(address) = Ip::parse(&text) {
                prop_assert_eq!(Ip::parse(&address.0.to_string()), Ok(address));
            }
            if let Ok(network) = Cidr::parse(&text) {
                prop_assert_eq!(Cidr::parse(&network.to_string()), Ok(network));
            }
        }
    }
}
