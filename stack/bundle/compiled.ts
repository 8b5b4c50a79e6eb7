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
  /** What stands in the code in the place of an expression: values that are compiled in. */
  readonly define: Record<string, string>;
}

/** @throws InvalidRequest with one sentence for each fault of the profiles or the certificates */
export function readSources(root: string, profilesName = 'profiles.yml'): Sources {
  const fromHere = (path: string) => relative(process.cwd(), join(root, path)) || '.';
  const files = readdirSync(join(root, 'functions')).filter((file) => file.endsWith('.ts'));
  const profilesFile = fromHere(profilesName);
  const profiles = readProfilesFile(profilesFile);
  const certificates = readCertificates(fromHere('services/identity/aws-certificates'));
  const define = {
    'process.env.MUSTER_PROFILES': textOf(profiles),
    'process.env.IDENTITY_KEYS': textOf(keysOf(certificates)),
  };
  return { functions: files.map((file) => file.replace(/\.ts$/, '')), profilesFile, profiles, certificates, define };
}

/** JSON, as the source text of a string. */
function textOf(value: unknown): string {
  return JSON.stringify(JSON.stringify(value));
}
