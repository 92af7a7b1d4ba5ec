// Writes the cases of the package's suites as one JSON object a line, each with the suite and sections it stands in.
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const lines = [];

function walk(suite, sections) {
  for (const test of suite.tests ?? []) {
    lines.push(JSON.stringify({ sections, case: test.original, type: test.type, error: test.error }));
  }
  for (const inner of suite.suites ?? []) {
    walk(inner, [...sections, inner.name]);
  }
}

for (const name of ["conformance", "comprehension", "parsing", "checking"]) {
  const { tests } = await import(pathToFileURL(`${folder}/${name}.js`));
  walk(tests, [name]);
}
console.log(lines.join("\n"));
