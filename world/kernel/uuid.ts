import type { Random } from './random.ts';

/** A version 4 UUID from the world's own randomness: the same seed makes the same ids. */
export function uuid(random: Random): string {
  const bytes = Buffer.alloc(16);
  for (let index = 0; index < bytes.length; index++) bytes[index] = Math.floor(random() * 256);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
