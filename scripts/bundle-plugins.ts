import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';

/** `yaml` does not say of itself that it does nothing when it is imported, so it would stay in every bundle. */
const withoutUnusedYaml: Plugin = {
  name: 'without-unused-yaml',
  setup(build) {
    build.onResolve({ filter: /^yaml$/ }, async ({ path, pluginData, ...options }) => {
      if (pluginData === withoutUnusedYaml) return undefined;
      const resolved = await build.resolve(path, { ...options, pluginData: withoutUnusedYaml });
      return { ...resolved, sideEffects: false };
    });
  },
};

/** A function has the credentials of its role in its environment, and nothing else of the SDK's chain of providers. */
const environmentCredentials: Plugin = {
  name: 'environment-credentials',
  setup(build) {
    const path = fileURLToPath(new URL('../services/environment-credentials.ts', import.meta.url));
    build.onResolve({ filter: /^@aws-sdk\/credential-provider-node$/ }, () => ({ path }));
  },
};

/** What stands in the place of a module of a package, and why nobody misses it. */
interface Replacement {
  readonly module: RegExp;
  readonly contents: (source: string) => string;
}

const REPLACEMENTS: readonly Replacement[] = [
  {
    // The package's whole description is asked for its version only.
    module: /@aws-sdk\/client-[a-z0-9-]+\/package\.json$/,
    contents: (source) => JSON.stringify({ version: JSON.parse(source).version }),
  },
  {
    // A function has no home folder with a configuration in it: this is what is read where there is no file.
    module: /@smithy\/core\/dist-es\/submodules\/config\/shared-ini-file-loader\/loadSharedConfigFiles\.js$/,
    contents: () => `export { CONFIG_PREFIX_SEPARATOR } from './constants';
      export const loadSharedConfigFiles = async () => ({ configFile: {}, credentialsFile: {} });`,
  },
  {
    // A function has no instance metadata service; Lambda names its Region in the environment.
    module: /@smithy\/core\/dist-es\/submodules\/config\/config-resolver\/regionConfig\/getInstanceMetadataRegion\.js$/,
    contents: () => 'export const getInstanceMetadataRegion = async () => undefined;',
  },
  {
    // For streams of events, which no operation that is called here has.
    module: /@smithy\/core\/dist-es\/submodules\/event-streams\/index\.js$/,
    contents: refusing('the event streams of the SDK'),
  },
  {
    // For a Node without OpenSSL.
    module: /@smithy\/core\/dist-es\/submodules\/checksum\/sha256\/Sha256Js\.js$/,
    contents: refusing("the SDK's own SHA-256"),
  },
  {
    // For z.toJSONSchema, which no function calls.
    module: /zod\/v4\/core\/(json-schema-processors|to-json-schema)\.js$/,
    contents: refusing("zod's JSON Schema"),
  },
  {
    // For DynamoDB's discovery of endpoints, which no command of the client asks for any more.
    module: /@aws-sdk\/endpoint-cache\/dist-es\/EndpointCache\.js$/,
    contents: () => 'export class EndpointCache {}',
  },
  {
    module: /@aws-sdk\/client-[a-z0-9-]+\/dist-es\/schemas\/schemas_\d+\.js$/,
    contents: (source) => withLiteralKeys(withoutPlainErrors(source)),
  },
];

/** Puts something smaller in the place of what a function never runs. */
const withoutUnusedParts: Plugin = {
  name: 'without-unused-parts',
  setup(build) {
    for (const { module, contents } of REPLACEMENTS) {
      build.onLoad({ filter: module }, async ({ path }) => {
        const loader = path.endsWith('.json') ? 'json' : 'js';
        return { contents: contents(await readFile(path, 'utf8')), loader };
      });
    }
  },
};

/** The same exports, which say that they were left out if somebody should call them after all. */
function refusing(what: string): (source: string) => string {
  return (source) => {
    const names = exportsOf(source).map((name) => `refused as ${name}`);
    return `function refused() { throw new Error(${JSON.stringify(`${what} is left out of this bundle: scripts/bundle-plugins.ts.`)}); }
      export { ${names.join(', ')} };`;
  };
}

/** The names that a module exports, in the two forms that compiled packages have. */
function exportsOf(source: string): string[] {
  const declared = [...source.matchAll(/^export (?:async )?(?:const|let|var|function|class) ([\w$]+)/gm)];
  const listed = [...source.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, list = '']) => list.split(','));
  const names = listed.map((one) => one.trim().replace(/^.* as /, ''));
  return [...declared.map(([, name = '']) => name), ...names.filter(Boolean)];
}

/**
 * The schemas of a client's operations have keys such as `[_ht]`, of which esbuild cannot know that they are constant
 * texts; so it keeps all of them, for hundreds of operations. Written as the texts that they are, only those that are
 * used stay.
 */
function withLiteralKeys(source: string): string {
  const texts = new Map([...source.matchAll(/^const (_\w+) = ("[^"\\]*");$/gm)].map(([, name, text]) => [name, text]));
  return source.replace(/\[(_\w+)\]:/g, (key, name) => {
    const text = texts.get(name);
    return text === undefined || text === '"__proto__"' ? key : `${text}:`;
  });
}

function withoutPlainErrors(source: string): string {
  return source.replace(/^export var (\w+)\$ = \[-3, n0, \w+,\s+(?:0|\{.*\}),\s+\[(_m|_M)?\],\s+\[0?\]\s*\];\n\w+\.registerError\(\1\$, \1\);$/gm, '');
}

export const plugins: readonly Plugin[] = [withoutUnusedYaml, environmentCredentials, withoutUnusedParts];
