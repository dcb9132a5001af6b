/**
 * `sluice types`: prints the declaration of a schema, to be put into a file and reviewed, and on stderr a report of what it
 * rests on: types that were guessed, nulls that were seen, and where files of the same table differ.
 */
import { basename } from 'node:path';
import { type ColumnType, columnTypeText, formOf, plainType, sameType } from '../batch/batch.ts';
import { type Inspected, type InspectedColumn, inspectFile } from '../connectors/inspect.ts';
import { isNumeric } from '../expression/values.ts';
import { digits } from './table.ts';
import { readArgs, usage, type Verb } from './verb.ts';

export const verb: Verb = {
  help: `Usage: sluice types FILE... [--name NAME]

Prints the TypeScript declaration of the schema of Parquet, Arrow, CSV or NDJSON files, which are files of one table. On stderr: which
types were guessed and from how many rows, where nulls were seen, what could not be read, and how the files differ.

  --name NAME   what the schema is called; by default as the first file

Example: sluice types flights.parquet > flights.ts
`,
  async run(args) {
    const { values, positionals } = readArgs(args, { name: { type: 'string' } });
    if (positionals.length === 0) throw usage('sluice types takes files of one table: sluice types FILE...');
    const name = values.name ?? nameOf(positionals[0]!);
    if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name)) throw usage(`--name takes a name of TypeScript, not '${name}'`);
    const files: Inspected[] = [];
    for (const path of positionals) files.push(await inspectFile(path));
    const { columns, differences } = merged(files);
    process.stdout.write(declaration(name, columns));
    process.stderr.write(`${[...files.flatMap(report), ...differences].join('\n')}\n`);
    return 0;
  },
};

/** flights-3m.csv.gz -> flights3m */
const nameOf = (path: string): string => {
  const words = basename(path)
    .split('.')[0]!
    .split(/[^\p{ID_Continue}$]+/u)
    .filter(Boolean);
  const name = words.map((word, i) => (i === 0 ? word : word[0]!.toUpperCase() + word.slice(1))).join('');
  return /^[\p{ID_Start}$_]/u.test(name) ? name : `table${name}`;
};

const keyOf = (name: string): string =>
  /^[a-zA-Z_$][\w$]*$/.test(name) && name !== '__proto__'
    ? name
    : name === '__proto__'
      ? "['__proto__']"
      : `'${JSON.stringify(name).slice(1, -1).replaceAll("'", "\\'").replaceAll('\\"', '"')}'`;

function declaration(name: string, columns: readonly InspectedColumn[]): string {
  const readable = columns.filter((column) => column.readable);
  const kinds = [...new Set(readable.flatMap(({ type }) => kindsIn(type)))];
  const lines = columns.map((column) =>
    column.readable
      ? `  ${keyOf(column.name)}: ${declared(column.type)}${column.nullable ? '.nullable()' : ''},`
      : `  // ${column.name}: ${column.note}`,
  );
  return `import { ${['schema', ...kinds].sort().join(', ')} } from 'sluice';\n\nexport const ${name} = schema({\n${lines.join('\n')}\n});\n`;
}

/** As it is written in a job. */
function declared(type: ColumnType): string {
  const form = formOf(type);
  if (form !== null) {
    const [name, unit] = form.split(/[()]/);
    return unit === undefined ? `${name}()` : `${name}({ unit: '${unit}' })`;
  }
  const field = (of: { readonly type: ColumnType; readonly nullable: boolean }): string => `${declared(of.type)}${of.nullable ? '.nullable()' : ''}`;
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision}, ${type.scale})`;
    case 'list':
      return `list(${field(type.item)})`;
    case 'struct':
      return `struct({ ${type.fields.map((each) => `${keyOf(each.name)}: ${field(each)}`).join(', ')} })`;
    default:
      return `${type.kind}()`;
  }
}

/** Its own kind and those of what is in it: what a declaration imports. */
const kindsIn = (type: ColumnType): string[] => [
  formOf(type)?.split('(')[0] ?? type.kind,
  ...(type.kind === 'list' ? kindsIn(type.item.type) : type.kind === 'struct' ? type.fields.flatMap((field) => kindsIn(field.type)) : []),
];

function report({ path, columns, guessedFrom, bad }: Inspected): string[] {
  const head = guessedFrom === null ? `${path}: types are those of the file` : `${path}: types are guessed from ${digits(guessedFrom)} rows`;
  return [
    head,
    ...columns.filter(({ note, readable }) => note !== '' && (guessedFrom !== null || !readable)).map(({ name, note }) => `  ${name}: ${note}`),
    ...bad.report(),
  ];
}

/** Wider ones behind narrower ones. */
const numbers: readonly ColumnType['kind'][] = ['int32', 'integer', 'int64', 'float64'];

/** The type that holds the values of both; int64 does not fit in float64 without loss, and neither does anything else in each other. */
function wider(a: ColumnType, b: ColumnType): ColumnType | null {
  if (sameType(a, b)) return a;
  if (formOf(a) !== null || formOf(b) !== null) return isNumeric(a) && isNumeric(b) ? wider(plainType(a), plainType(b)) : null;
  const [from, to] = [a, b].sort((x, y) => numbers.indexOf(x.kind) - numbers.indexOf(y.kind)) as [ColumnType, ColumnType];
  if (!numbers.includes(from.kind) || (to.kind === 'float64' && from.kind !== 'int32')) return null;
  return to;
}

function merged(files: readonly Inspected[]): { columns: InspectedColumn[]; differences: string[] } {
  const differences: string[] = [];
  const columns = new Map<string, InspectedColumn>();
  const [first, ...others] = files;
  for (const column of first?.columns ?? []) columns.set(column.name, column);
  for (const file of others) {
    for (const column of file.columns) {
      const known = columns.get(column.name);
      if (known === undefined) {
        columns.set(column.name, { ...column, nullable: true });
        differences.push(`${file.path} has a column ${column.name} that ${first?.path} has not`);
        continue;
      }
      const type = wider(known.type, column.type);
      if (!sameType(known.type, column.type)) {
        const so = type === null ? 'text' : columnTypeText(type);
        differences.push(
          `${column.name} is ${columnTypeText(column.type)} in ${file.path} and ${columnTypeText(known.type)} before it: declared ${so}`,
        );
      }
      columns.set(column.name, {
        ...known,
        type: type ?? { kind: 'utf8' },
        nullable: known.nullable || column.nullable,
        readable: known.readable && column.readable,
        note: known.readable ? column.note : known.note,
      });
    }
    const names = new Set(file.columns.map(({ name }) => name));
    for (const [name, column] of columns) {
      if (names.has(name)) continue;
      differences.push(`${file.path} has no column ${name}: reading it with this schema is SCHEMA_DIFFERS, but in NDJSON`);
      columns.set(name, { ...column, nullable: true });
    }
  }
  return { columns: [...columns.values()], differences };
}
