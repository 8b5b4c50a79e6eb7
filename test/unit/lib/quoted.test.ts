import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printable, quoted } from '../../../lib/quoted.ts';

const KEYS = (['pkcs1', 'pkcs8'] as const).map((type) =>
  String(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type, format: 'pem' })),
);

/** Control, format, private and unassigned characters, halves of characters, and other line breaks than a space. */
const NOT_PRINTABLE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

/** Anything that a node may print, nasty pieces included. */
const piece = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(
    ...['\u001b[2J\u001b[31m', '\u009b31m', '\u001b]8;;http://x\u0007', '\r\n', '\n\n', '\u0000', '\u0085', '\u2028'],
    ...['\u202e', '\u2066', '\u200b', '\ufeff', '\u3164', '\u{e0041}', '\ud83d', '"', '\\n', '-----', '…'],
  ),
  fc.constantFrom(...KEYS),
  fc
    .tuple(fc.constantFrom(...KEYS), fc.nat(1_000), fc.nat(2_000))
    .map(([key, from, length]) => key.slice(from, from + length)),
  fc.constantFrom(...KEYS).map((key) => key.replaceAll('\n', '')),
  fc.constantFrom(...KEYS).map((key) => key.replaceAll('\n', '\\n')),
  fc.constantFrom(...KEYS).map((key) => key.replaceAll('\n', '\r\n')),
);
const output = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));

describe('what a node printed', () => {
  it('leaves as printable text on one line, with nothing of a key in it', () => {
    fc.assert(
      fc.property(output, (text) => {
        for (const line of [printable(text), quoted(text)]) {
          expect(line).not.toMatch(NOT_PRINTABLE);
          expect(line).not.toMatch(/\s{2}|^\s|\s$/);
          for (const run of line.match(/[A-Za-z0-9+/]{40,}/g) ?? [])
            expect(KEYS.some((key) => key.replaceAll('\n', '').includes(run))).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is shortened, and quoted so that its end shows', () => {
    fc.assert(
      fc.property(output, (text) => {
        const line = quoted(text);
        expect(line.length).toBeLessThanOrEqual(203);
        expect(line).toMatch(/^("[^"]+"|nothing)$/);
      }),
      { numRuns: 500 },
    );
  });

  it('is quoted whole where it is short', () => {
    expect(quoted('useradd: cannot open /etc/passwd\n')).toBe('"useradd: cannot open /etc/passwd"');
    expect(quoted('He said "no".')).toBe(`"He said 'no'."`);
    expect(quoted(' \n\u0000')).toBe('nothing');
    expect(quoted('é'.repeat(300))).toBe(`"${'é'.repeat(200)}…"`);
  });

  it.each([
    ['a whole block', 'x -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- y', 'x [PEM removed] y'],
    ['a block without its end', 'a -----BEGIN PRIVATE KEY-----\nMIIE', 'a [PEM removed]'],
    ['a block without its beginning', 'MIIE0==\n-----END PRIVATE KEY----- y', '[PEM removed] y'],
    [
      'a block of another kind',
      'x ---- BEGIN SSH2 PRIVATE KEY ----\nAAAA\n---- END SSH2 PRIVATE KEY ---- y',
      'x [PEM removed] y',
    ],
    [
      'a marker that is split by invisible characters',
      '-----BEGIN\u200b PRIV\u0000ATE KEY-----\nMIIE',
      '[PEM removed]',
    ],
    ['a body alone', `key: ${'MIIEvQIBADANBgkqhkiG9w0B'.repeat(4)}==.`, 'key: [key removed].'],
  ])('loses %s', (_what, text, left) => {
    expect(printable(text)).toBe(left);
  });

  it.each([
    'sha256 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef differs',
    'cannot read /opt/puppetlabs/puppet/lib/ruby/vendor/puppet/application/agent/settings',
    'arn:aws:states:eu-west-1:123456789012:execution:muster-dev-enrol-node:i-0123456789abcdef0-87654321-4321-4321-4321-210987654321',
  ])('keeps digests, paths and names: %s', (text) => {
    expect(printable(text)).toBe(text);
  });
});
