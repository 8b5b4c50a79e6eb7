import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A line that declares the toy in the sources, as the line of a real engine does. */
export interface Entry {
  readonly file: string;
  /** The text of the source after which the line stands. */
  readonly after: RegExp;
  readonly line: string;
  readonly importing: string;
  /** The file in which the compiler reports that the line is missing. */
  readonly reportedIn: string;
}

const OPERATIONS = ['ASSOCIATING', 'CONFIRMING', 'DISASSOCIATING', 'FORGETTING'];

/** The places that a real engine touches beside its own files: docs/adding-an-engine.md. */
export const ENTRIES: readonly Entry[] = [
  {
    file: 'lib/servers.ts',
    after: /discriminatedUnion\('engine', \[/,
    line: 'ToyServer,',
    importing: "import { ToyServer } from '../test/support/toy-engine/server.ts';",
    reportedIn: 'lib/engines.ts',
  },
  {
    file: 'lib/engines.ts',
    after: /const ENGINES: .* = \{/,
    line: 'toy: toyTraits,',
    importing: "import { toyTraits } from '../test/support/toy-engine/server.ts';",
    reportedIn: 'lib/engines.ts',
  },
  ...OPERATIONS.map((table) => ({
    file: 'services/config-servers/index.ts',
    after: new RegExp(`const ${table}: .* = \\{`),
    line: 'toy: toyServer,',
    importing: "import { toyServer } from '../../test/support/toy-engine/client.ts';",
    reportedIn: 'services/config-servers/index.ts',
  })),
  {
    file: 'local/doubles.ts',
    after: /const DOUBLES: .* = \{/,
    line: 'toy: startToy,',
    importing: "import { startToy } from '../test/support/toy-engine/double.ts';",
    reportedIn: 'local/doubles.ts',
  },
];

export function makeFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'muster-toy-')));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  cpSync(join(root, 'tsconfig.json'), join(folder, 'tsconfig.json'));
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  return folder;
}

/**
 * Copies sources and the toy into `folder`, and adds the entries. What is not copied is imported from the repository.
 * @param sources files and folders, from the root
 */
export function overlay(folder: string, sources: readonly string[], entries: readonly Entry[]): void {
  const copied = [...sources, 'test/support/toy-engine'];
  for (const source of copied) cpSync(join(root, source), join(folder, source), { recursive: true });
  for (const file of new Set(entries.map((entry) => entry.file))) {
    const own = entries.filter((entry) => entry.file === file);
    const imports = new Set(own.map(({ importing }) => importing));
    rewrite(join(folder, file), (text) => `${[...imports].join('\n')}\n${own.reduce(withLine, text)}`);
  }
  for (const file of copied.flatMap((source) => filesIn(folder, source)))
    rewrite(join(folder, file), (text) => withImports(text, file, copied));
}

function filesIn(folder: string, source: string): string[] {
  if (source.endsWith('.ts')) return [source];
  const names = readdirSync(join(folder, source), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(source, name));
}

function rewrite(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

function withImports(text: string, file: string, copied: readonly string[]): string {
  return text.replace(/ from '(\.[^']+)'/g, (found, path: string) => {
    const target = join(dirname(file), path);
    const isCopied = copied.some((source) => target === source || target.startsWith(`${source}/`));
    return isCopied ? found : ` from '${join(root, target)}'`;
  });
}

function withLine(text: string, { file, after, line }: Entry): string {
  if (!after.test(text)) throw new Error(`${file} has nothing like ${after}: correct the toy's entry for it.`);
  return text.replace(after, (found) => `${found}\n  ${line}`);
}
