/**
 * What a value may be that goes to a node: the one definition, for profiles (lib/servers.ts) and CheckRequest. The documents'
 * `allowedPattern` (resources/documents.yml) are the same texts; a test compares them. A value stands in a shell script between
 * single quotes.
 *
 * AWS takes a value only if the whole of it matches: its own documents have patterns without ^ and $ that say so (AWS-RunShellScript,
 * `executionTimeout`: "([1-9][0-9]{0,4})|(1[0-6][0-9]{4})|…|(172800)"). These match from ^ to $ all the same, and mean the same in
 * every language: \s, for one, does not.
 */
const WORD = /^[A-Za-z0-9_.:-]{0,255}$/;
const CERTIFICATES = '-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\r\\n]+-----END CERTIFICATE-----[\\r\\n]*';

export const NODE_VALUES = {
  NodeName: /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,254}$/,
  Agent: /^(puppet|chef|any)$/,
  Certificate: new RegExp(`^(${CERTIFICATES})+$`),
  CaCertificate: new RegExp(`^(${CERTIFICATES})+$`),
  Server: WORD,
  ServerPort: /^[0-9]{0,5}$/,
  ServerUrl: /^https:\/\/[A-Za-z0-9_.:/-]{1,1000}$/,
  TrustedCertificates: new RegExp(`^(${CERTIFICATES})*$`),
  // Brackets by their codes: languages differ in whether they are escaped within a class.
  RunList: /^[A-Za-z0-9_.:@,\x5B\x5D-]{0,4000}$/,
  PolicyName: WORD,
  PolicyGroup: WORD,
  Environment: WORD,
  FirstRun: /^(wait|start|none)$/,
  Service: /^(enable|leave)$/,
} as const satisfies Readonly<Record<string, RegExp>>;

/** The first of the values that no document takes, by its name. */
export function refusedValue(values: Readonly<Record<string, string>>): string | undefined {
  return Object.keys(values).find(
    (name) => !(NODE_VALUES as Readonly<Record<string, RegExp>>)[name]?.test(values[name] ?? ''),
  );
}
