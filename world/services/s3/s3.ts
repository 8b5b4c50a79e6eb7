import { createHash } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { uuid } from '../../kernel/uuid.ts';
import type { RestEndpoint } from '../../wire/endpoint.ts';
import { ServiceError } from '../../wire/service.ts';
import {
  type ListObjectsV2Input,
  type ListObjectsV2Output,
  type ObjectInput,
  type PutObjectInput,
  type StoredObject,
  s3Rest,
} from './rest.ts';

/** S3's own limit. Source: Creating object key names. */
const MOST_KEY_BYTES = 1024;
const PAGE = 1000;

/** Amazon S3, as far as texts are put into buckets that are there, read and listed. Its buckets are versioned. */
export class S3 {
  readonly endpoint: RestEndpoint;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #buckets: ReadonlyMap<string, Map<string, StoredObject>>;

  constructor({ clock, random, buckets }: { clock: Clock; random: Random; buckets: readonly string[] }) {
    this.#clock = clock;
    this.#random = random;
    this.#buckets = new Map(buckets.map((name) => [name, new Map()]));
    const operations = {
      PutObject: (input: PutObjectInput) => this.#putObject(input),
      GetObject: (input: ObjectInput) => this.#find(input),
      HeadObject: (input: ObjectInput) => this.#find(input),
      ListObjectsV2: (input: ListObjectsV2Input) => this.#listObjects(input),
    };
    this.endpoint = s3Rest(operations);
  }

  /** The text of an object, undefined where there is none. */
  text(bucket: string, key: string): string | undefined {
    return this.#buckets.get(bucket)?.get(key)?.body;
  }

  /** The keys of each bucket, with the sizes of the objects. */
  snapshot() {
    const sizes = (objects: Map<string, StoredObject>) =>
      [...objects.values()].map(({ key, body }) => ({ key, bytes: Buffer.byteLength(body) }));
    return { buckets: [...this.#buckets].map(([name, objects]) => ({ name, objects: sizes(objects) })) };
  }

  #putObject({ Bucket, Key, Body, ContentType }: PutObjectInput): StoredObject {
    const objects = this.#bucket(Bucket);
    if (Buffer.byteLength(Key) > MOST_KEY_BYTES) throw new ServiceError('KeyTooLongError', 'Your key is too long');
    const stored = {
      key: Key,
      body: Body,
      contentType: ContentType ?? 'binary/octet-stream',
      etag: `"${createHash('md5').update(Body).digest('hex')}"`,
      versionId: uuid(this.#random).replaceAll('-', ''),
      lastModified: new Date(this.#clock.now()),
    };
    objects.set(Key, stored);
    return stored;
  }

  #find({ Bucket, Key }: ObjectInput): StoredObject {
    const found = this.#bucket(Bucket).get(Key);
    if (!found) throw new ServiceError('NoSuchKey', 'The specified key does not exist.', 404);
    return found;
  }

  /** In the order of the keys' bytes; the token is the last name of the page before. */
  #listObjects(input: ListObjectsV2Input): ListObjectsV2Output {
    const { Bucket, Prefix = '', MaxKeys = PAGE, Delimiter, ContinuationToken, StartAfter = '' } = input;
    const after = ContinuationToken === undefined ? StartAfter : keyIn(ContinuationToken);
    const limit = Math.min(MaxKeys, PAGE);
    const matching = [...this.#bucket(Bucket).values()].filter(({ key }) => key.startsWith(Prefix));
    // What has the delimiter behind the prefix is listed once, up to there, as a folder would be.
    const byName = Map.groupBy(matching, ({ key }) => upTo(key, Prefix.length, Delimiter));
    const names = [...byName.keys()].filter((name) => compareBytes(name, after) > 0).sort(compareBytes);
    const shown = names.slice(0, limit);
    const isPrefix = (name: string) => Delimiter !== undefined && name !== Prefix && name.endsWith(Delimiter);
    const last = names.length > shown.length ? shown.at(-1) : undefined;
    const nextToken = last === undefined ? undefined : Buffer.from(last).toString('base64');
    const objects = shown.flatMap((name) => (isPrefix(name) ? [] : (byName.get(name) ?? [])));
    return { bucket: Bucket, prefix: Prefix, maxKeys: limit, objects, prefixes: shown.filter(isPrefix), nextToken };
  }

  #bucket(name: string): Map<string, StoredObject> {
    const found = this.#buckets.get(name);
    if (!found) throw new ServiceError('NoSuchBucket', 'The specified bucket does not exist', 404);
    return found;
  }
}

/** The key up to the first delimiter after so many characters; all of it where there is none. */
function upTo(key: string, from: number, delimiter: string | undefined): string {
  if (delimiter === undefined || !key.includes(delimiter, from)) return key;
  return key.slice(0, key.indexOf(delimiter, from) + delimiter.length);
}

const compareBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

function keyIn(token: string): string {
  const key = Buffer.from(token, 'base64').toString();
  if (Buffer.from(key).toString('base64') === token) return key;
  throw new ServiceError('InvalidArgument', 'The continuation token provided is incorrect');
}
