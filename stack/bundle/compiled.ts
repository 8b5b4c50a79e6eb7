import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type ProfilesFile, readProfilesFile } from '../../profiles/file.ts';
import { keysOf, type RegionCertificates, readCertificates } from '../../services/identity/certificates.ts';

/** What the build reads beside the code, checked. */
export interface Sources {
  /** Names of the files in functions/, without extension. */
  readonly functions: readonly string[];
  /** `profiles.yml` as a sentence is to call it, and what it says. */
  readonly profilesFile: string;
  readonly profiles: ProfilesFile;
  readonly certificates: RegionCertificates;
  /** Values that are compiled in: source text, by the expression that it replaces. */
  readonly define: Record<string, string>;
  /** The profiles, which have a budget of their own: put in after a bundle has been measured. */
  readonly compiledIn: Record<string, string>;
}

/** @throws InvalidRequest with one sentence for each fault of the profiles or the certificates */
export function readSources(root: string, profilesName = 'profiles.yml'): Sources {
  const fromHere = (path: string) => relative(process.cwd(), join(root, path)) || '.';
  const profilesFile = fromHere(profilesName);
  const profiles = readProfilesFile(profilesFile);
  const certificates = readCertificates(fromHere('services/identity/aws-certificates'));
  const define = { 'process.env.IDENTITY_KEYS': textOf(keysOf(certificates)) };
  const compiledIn = { 'process.env.MUSTER_PROFILES': JSON.stringify(profiles) };
  return { functions: functionsIn(root), profilesFile, profiles, certificates, define, compiledIn };
}

/** Names of the files in functions/, without extension. */
export function functionsIn(root: string): string[] {
  const files = readdirSync(join(root, 'functions')).filter((file) => file.endsWith('.ts'));
  return files.map((file) => file.replace(/\.ts$/, ''));
}

/** JSON, as the source text of a string. */
function textOf(value: unknown): string {
  return JSON.stringify(JSON.stringify(value));
}
