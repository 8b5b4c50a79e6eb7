import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';

/** A package that does nothing when it is imported and does not say so, for which all of it would stay in a bundle. */
const withoutSideEffects: Plugin = {
  name: 'without-side-effects',
  setup(build) {
    build.onResolve({ filter: /^@aws-sdk\/lib-dynamodb$/ }, async ({ path, pluginData, ...options }) => {
      if (pluginData === withoutSideEffects) return undefined;
      const resolved = await build.resolve(path, { ...options, pluginData: withoutSideEffects });
      return { ...resolved, sideEffects: false };
    });
  },
};

/** A function has the credentials of its role in its environment, and nothing else of the SDK's chain of providers. */
const environmentCredentials: Plugin = {
  name: 'environment-credentials',
  setup(build) {
    const path = fileURLToPath(new URL('../../services/environment-credentials.ts', import.meta.url));
    build.onResolve({ filter: /^@aws-sdk\/credential-provider-node$/ }, () => ({ path }));
  },
};

/** What replaces a module of a package, and why that is safe. */
interface Replacement {
  readonly module: RegExp;
  readonly contents: (source: string, path: string) => string | Promise<string>;
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
    // For the retry mode `adaptive`: clients have the standard one, and the state machine the rest.
    module: /@smithy\/core\/dist-es\/submodules\/retry\/util-retry\/AdaptiveRetryStrategy\.js$/,
    contents: refusing("the SDK's adaptive retries"),
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
    contents: async (source, path) => withLiteralKeys(await withoutPlainErrors(source, path)),
  },
];

/** Puts something smaller in the place of what a function never runs. */
const withoutUnusedParts: Plugin = {
  name: 'without-unused-parts',
  setup(build) {
    for (const { module, contents } of REPLACEMENTS) {
      build.onLoad({ filter: module }, async ({ path }) => {
        const loader = path.endsWith('.json') ? 'json' : 'js';
        return { contents: await contents(await readFile(path, 'utf8'), path), loader };
      });
    }
  },
};

/** The same exports, which say that they were left out, should they be called after all. */
function refusing(what: string): (source: string) => string {
  return (source) => {
    const names = exportsOf(source).map((name) => `refused as ${name}`);
    return `function refused() { throw new Error(${JSON.stringify(`${what} is left out of this bundle: stack/bundle/plugins.ts.`)}); }
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

/** An error of a service that says nothing but its name and a message. */
const PLAIN_ERROR =
  /^export var (\w+)\$ = \[-3, n0, \w+,\s+(?:0|\{.*\}),\s+\[(?:_m|_M)?\],\s+\[0?\]\s*\];\nn0_registry\.registerError\(\1\$, \1\);$/gm;

/**
 * Takes out the classes of plain errors. The client tells one that it has no class for by the same name and message,
 * and names are all that our code asks for. What stays: errors with more in them, those that say of themselves that they
 * are to be tried again, and all of the query protocols, where an error is called by a code that is not its name.
 */
async function withoutPlainErrors(source: string, path: string): Promise<string> {
  const beside = (file: string) => readFile(join(dirname(path), '..', file), 'utf8');
  const configuration = await beside('runtimeConfig.shared.js');
  if (!/protocol \?\? AwsJson1_[01]Protocol,/.test(configuration) || /awsQueryCompatible/.test(configuration))
    return source;
  const classes = (await beside('models/errors.js')).split(/^export class /m);
  const retried = classes.filter((text) => text.includes('$retryable')).map((text) => text.split(' ', 1)[0]);
  return source.replace(PLAIN_ERROR, (error, name) => (retried.includes(name) ? error : ''));
}

export const plugins: readonly Plugin[] = [withoutSideEffects, environmentCredentials, withoutUnusedParts];
