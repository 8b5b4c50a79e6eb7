import type { Random } from './random.ts';

/** `length` hexadecimal digits, as in `i-0123456789abcdef0`. */
export function hex(random: Random, length: number): string {
  return Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join('');
}
