//! The bombs with what ends each: a short text makes it, and the limits of the language stop it.

/// An expression that would take for ever, or all of memory.
pub(crate) struct Bomb {
    pub(crate) name: &'static str,
    /// The parts of the source: `head`, so many times `middle`, `inner`, as many times `close`.
    head: &'static str,
    middle: &'static str,
    times: usize,
    inner: &'static str,
    close: &'static str,
    tail: &'static str,
    /// The error that ends it, or `Value`.
    pub(crate) ends: &'static str,
}

impl Bomb {
    pub(crate) fn source(&self) -> String {
        let Self { head, middle, times, inner, close, tail, .. } = self;
        format!("{head}{}{inner}{}{tail}", middle.repeat(*times), close.repeat(*times))
    }
}

const fn plain(name: &'static str, source: &'static str, ends: &'static str) -> Bomb {
    chain(name, source, "", 0, "", ends)
}

const fn chain(
    name: &'static str,
    head: &'static str,
    middle: &'static str,
    times: usize,
    tail: &'static str,
    ends: &'static str,
) -> Bomb {
    Bomb { name, head, middle, times, inner: "", close: "", tail, ends }
}

const fn nest(
    name: &'static str,
    middle: &'static str,
    times: usize,
    inner: &'static str,
    close: &'static str,
    ends: &'static str,
) -> Bomb {
    Bomb { name, head: "", middle, times, inner, close, tail: "", ends }
}

/// The object: ten numbers, ten letters, 200,000 numbers, a mebibyte of `a` and `b` without an order, and as much text of
/// more than ASCII.
pub(crate) fn input() -> String {
    let many: Vec<String> = (0..200_000).map(|number: u32| number.to_string()).collect();
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 31 == 0 { 'a' } else { 'b' }
    };
    let long: String = (0..1 << 20).map(|_| letter()).collect();
    let wide = "é".repeat(1 << 19);
    format!(
        r#"{{"list":[0,1,2,3,4,5,6,7,8,9],"text":"aaaaaaaaaa","many":[{}],"long":"{long}","wide":"{wide}"}}"#,
        many.join(",")
    )
}

const COST: &str = "CostExceeded";
const WORK: &str = "WorkExceeded";

#[rustfmt::skip]
pub(crate) const BOMBS: &[Bomb] = &[
    // The source: its length, its nodes, its nesting.
    chain("a literal of 200,000 elements", "[0", ",0", 200_000, "]", "TooLong"),
    chain("a literal of 4,000 elements", "[0", ",0", 4_000, "].size()", "Value"),
    chain("3 kB of additions", "1", "+1", 1_500, " == 0", "Value"),
    chain("8 kB of additions", "1", "+1", 4_000, " == 0", "TooLarge"),
    chain("brackets that never close", "", "((([[[", 500, "", "TooDeep"),
    chain("a chain of conditionals", "", "true ? 1 : ", 200, "1", "TooDeep"),
    chain("many negations", "", "!", 4_000, "true", "Value"),
    chain("an error past column 65,535", "", " ", 70_000, "nothing", "TooLong"),
    // Loops in loops.
    nest("all in all", "object.list.all(x, ", 20, "true", ")", COST),
    nest("lists of lists", "[0,1,2,3,4,5,6,7,8,9].map(x, ", 6, "[x,x,x,x]", ")", COST),
    plain("a chain of constants in a loop", "object.many.all(x, 1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1 > 0)", COST),
    plain("a million times nothing", "lists.range(400000).all(x, true)", COST),
    plain("errors in a loop", "object.many.exists(x, object.list[dyn('x')] == 1)", COST),
    plain("wrong types in a loop", "object.many.exists(x, dyn(x) + 'a' == 'b')", COST),
    chain("an error with a long name in a loop", "object.many.exists(x, object.", "a", 8_000, " == 1)", WORK),
    // Ranges.
    plain("a range of a million", "lists.range(1000000).size()", WORK),
    plain("a huge range", "lists.range(9223372036854775807).size()", "InvalidArgument"),
    plain("a range of ranges", "lists.range(99999).map(x, lists.range(99999)).size()", WORK),
    // Growth of texts.
    chain("doubling a text", "[object.text]", ".map(x,x+x)", 60, ".size()", WORK),
    chain("doubling a text of unknown type", "[dyn('aaaaaaaaaa')]", ".map(x,x+x)", 60, ".size()", WORK),
    chain("replacing a letter by ten", "[object.text]", ".map(x,x.replace('a','aaaaaaaaaa'))", 30, ".size()", WORK),
    plain("replacing nothing by much", "object.long.replace('', object.long).size()", WORK),
    chain("joining texts by themselves", "[object.text]", ".map(x,[x,x,x,x].join(x))", 30, ".size()", COST),
    plain("splitting into letters", "object.many.all(x, object.long.split('').size() > 0)", WORK),
    plain("splitting a made text", "[object.long + 'a'].all(x, object.many.all(y, x.split('').size() > 0))", WORK),
    chain("quoting quotes", "['\"']", ".map(x,strings.quote(x))", 30, ".size()", WORK),
    plain("upper case of much", "object.many.all(x, object.long.upperAscii() != '')", COST),
    plain("replacing in much", "object.many.all(x, object.long.replace('a', '') != '')", WORK),
    plain("texts of numbers", "object.many.map(x, string(x) + string(x)).size()", COST),
    plain("the text of huge bytes", "object.many.map(x, string(bytes(object.long))).size()", COST),
    plain("numbers in long texts", "object.many.exists(x, double(object.long) > 0.0)", WORK),
    chain("doubling bytes", "[bytes(object.long)]", ".map(x,x+x)", 30, ".size()", COST),
    plain("parts of a made text", "[object.long + 'a'].all(t, object.many.all(x, t.substring(x).size() > 0))", WORK),
    plain("searching in vain", "object.many.all(x, object.long.indexOf('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab') < 0)", COST),
    plain("trimming", "object.many.all(x, object.long.trim() != '')", COST),
    plain("characters one by one", "object.many.all(x, object.long.charAt(x) != '')", WORK),
    plain("characters of a wide text", "object.many.all(x, object.wide.charAt(x) != '')", WORK),
    // Growth of lists and maps.
    chain("doubling a list", "[dyn([1,2,3,4])]", ".map(x,x+x)", 60, ".size()", WORK),
    plain("adding lists in a loop", "object.many.map(x, object.many + object.many).size()", WORK),
    chain("maps that share", "[dyn({'a':1})]", ".map(x,dyn({'a':x,'b':x}))", 40, ".all(x, x == x)", WORK),
    plain("a map of all", "object.many.transformMap(i, x, x).size()", WORK),
    plain("a map of lists of all", "object.many.transformMap(i, x, object.many + [x]).size()", WORK),
    plain("entries of entries", "object.many.transformMapEntry(i, x, {dyn(i): x, dyn(string(x)): i}).size()", COST),
    plain("flattening", "object.many.map(x, [[x, x], [x, x]]).flatten(3).size()", COST),
    plain("slices", "object.many.map(x, object.many.slice(0, 100000)).size()", WORK),
    plain("reversals", "object.many.map(x, object.many.reverse()).size()", WORK),
    // Keys: what is not ASCII is slow to compare.
    plain("long keys", "[{object.long: 1, dyn(object.long + 'a'): 2, dyn(object.long + 'b'): 3}].all(m, object.many.all(x, object.long + 'b' in m))", WORK),
    plain("long keys that are there", "[object.long + 'b'].all(k, [{object.long: 1, dyn(object.long + 'a'): 2, dyn(k): 3}].all(m, object.many.all(x, m[k] == 3)))", WORK),
    plain("wide keys that are there", "[object.wide + 'b'].all(k, [{object.wide: 1, dyn(object.wide + 'a'): 2, dyn(k): 3}].all(m, object.many.all(x, k in m)))", WORK),
    plain("maps of wide keys", "[object.wide + 'b'].all(k, object.many.all(x, {dyn(k): 1, object.wide: 2}.size() == 2))", WORK),
    // Every element with every other.
    plain("distinct of all", "object.many.distinct().size()", WORK),
    plain("distinct of unknown type", "dyn(object.many).distinct().size()", WORK),
    plain("sorting texts that start alike", "object.many.map(x, object.long).sort().size()", COST),
    plain("sorting all", "[0,1,2].all(x, object.many.sortBy(y, -y).size() > 0)", COST),
    plain("sets of all", "sets.equivalent(object.many, object.many)", WORK),
    plain("sets in a loop", "object.many.all(x, sets.contains(object.many, [x]))", COST),
    plain("all in all, by `in`", "object.many.all(x, x in object.many)", WORK),
    plain("all in all, by `includes`", "object.many.all(x, object.many.includes(-1) || true)", COST),
    plain("deep equality in a loop", "object.many.all(x, object == object)", WORK),
    // Depth.
    chain("lists in lists", "[dyn([1])]", ".map(x,dyn([x]))", 250, "[0]", "ValueTooDeep"),
    chain("optionals in optionals", "[dyn(optional.of(1))]", ".map(x,dyn(optional.of(x)))", 250, "[0]", "ValueTooDeep"),
    nest("many optionals", "optional.of(", 40, "1", ")", "Value"),
    plain("optionals kept", "object.many.map(x, [optional.of(x), optional.of(x), optional.of(x)]).size()", COST),
    plain("optionals of optionals kept", "object.many.map(x, optional.of(optional.of(optional.of(optional.of(optional.of(x)))))).size()", COST),
    // Regular expressions.
    plain("a pattern that backtracks elsewhere", "object.long.matches('^(a|b|ab)*c$')", "Value"),
    plain("a pattern of many states", "object.long.matches('(a|b)*a(a|b){30}c')", WORK),
    plain("a pattern of few states on much text", "object.many.all(x, !object.long.matches('a.{12}c'))", WORK),
    plain("a pattern of exponential automata", "[0,1,2,3,4].all(x, !object.long.matches('a(a|b){5}c'))", WORK),
    plain("finding everywhere", "object.many.all(x, object.long.findAll('a').size() > 0)", WORK),
    plain("a pattern too large", "'a'.matches('(((a{30}){30}){30}){30}')", "InvalidConstant"),
    plain("computed patterns", "object.many.all(x, 'aaaa'.matches('a' + string(x)) || true)", WORK),
    plain("computed patterns of wide classes", "object.many.all(x, 'aaaa'.matches('\\\\pL{20}' + string(x)) || true)", WORK),
    plain("a computed pattern too large", "'a'.matches('(((a{30}){30}){30}){30}' + object.text)", "InvalidRegex"),
    plain("a duration of many parts", "[object.many.map(x,'1s').join()].all(q, object.many.all(x, duration(q) > duration('1s')))", WORK),
    plain("an integer of many zeros", "[object.many.map(x,'0').join() + '1'].all(q, object.many.all(x, int(q) == 1))", WORK),
    chain("absent entries with long keys", "[object.long+'a'].all(k,[object.long+'b'].all(q,[optional.none()].all(n,lists.range(100).all(x,{q:0", ",?k:n", 1_200, ",?q:n}.size()==0))))", WORK),
    chain("absent entries with wide keys", "[object.wide+'a'].all(k,[object.wide+'b'].all(q,[optional.none()].all(n,lists.range(100).all(x,{q:0", ",?k:n", 1_200, ",?q:n}.size()==0))))", WORK),
    plain("queries of URLs", "object.many.map(x, url('http://a/?a=b&c=d' + '').getQuery()).size()", WORK),
    // Formats, quantities and versions.
    plain("formats of large doubles", "object.many.map(x, '%e %f'.format([1e300, 1e300])).size()", WORK),
    plain("formats of doubles in lists", "object.many.map(x, '%s'.format([[1.5e300, 2.5e-300]])).size()", WORK),
    chain("formats of formats", "[object.text]", ".map(x,'%s%s%s%s%s'.format([x,x,x,x,x]))", 40, ".size()", WORK),
    chain("formats of lists", "[object.list]", ".map(x,[x,x,x,x])", 20, ".map(x, '%s'.format([x])).size()", WORK),
    chain("formats of maps", "[dyn({'a': object.long})]", ".map(x,dyn({'a':x,'b':x}))", 40, ".map(x, '%s'.format([x])).size()", WORK),
    plain("the widest padding", "object.many.map(x, '%.65535e'.format([1.0])).size()", WORK),
    plain("hexadecimal of much", "object.many.map(x, '%x'.format([object.long])).size()", WORK),
    plain("quantities far apart", "quantity('1e999999999').add(quantity('1n')).isInteger()", WORK),
    plain("a quantity of many digits", "[object.many.map(x, '7').join() + 'Ki'].all(q, object.many.all(x, isQuantity(q)))", WORK),
    plain("sums of quantities of many digits", "[quantity(object.many.map(x, '7').join())].all(q, object.many.all(x, q.add(q).isGreaterThan(q)))", WORK),
    plain("versions", "object.many.all(x, !isSemver('1.2.3-' + object.long + '.'))", WORK),
    // Addresses and URLs.
    plain("URLs", "object.many.all(x, isURL('http://a/' + object.long))", WORK),
    plain("networks", "object.many.all(x, cidr('10.0.0.0/8').containsIP(ip('10.1.2.3')))", COST),
];
