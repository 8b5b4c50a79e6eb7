import { mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openYaml } from '../../../lib/yaml-file.ts';
import { readProfiles } from '../../../profiles/file.ts';
import { readCertificates } from '../../../services/identity/certificates.ts';
import { faultsOfRegions } from '../../../stack/regions.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'muster-regions-')));
const certificates = fileURLToPath(new URL('../../../services/identity/aws-certificates', import.meta.url));
const known = Object.keys(readCertificates(certificates));

function faultsOf(regions: string): string[] {
  const file = join(folder, 'profiles.yml');
  writeFileSync(
    file,
    `profiles:\n  - name: web\n    match: { lightsail: "*" }\n    metadata: { httpTokens: required }\n    regions:\n${regions}`,
  );
  return faultsOfRegions(openYaml(file, 'profiles.yml'), readProfiles(file), known);
}

describe('the Regions of the profiles', () => {
  it('may be any that AWS signs in, as far as we know its certificate', () => {
    expect(faultsOf(known.map((region) => `      - ${region}\n`).join(''))).toEqual([]);
  });

  it('are refused where they stand, with the name that was meant', () => {
    expect(faultsOf('      - eu-central-1\n      - eu-wst-1\n')).toEqual([
      'profiles.yml:7: the profile web names the Region eu-wst-1, which services/identity/aws-certificates does not have: write eu-west-1, or add its certificate there.',
    ]);
  });

  it('that are like no other are refused as well', () => {
    expect(faultsOf('      - xx-nowhere-at-all-12\n')).toEqual([
      expect.stringContaining('does not have: correct it, or add its certificate there.'),
    ]);
  });
});
