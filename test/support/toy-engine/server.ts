import * as z from 'zod';
import type { Traits } from '../../../lib/engines.ts';

/** A made-up inventory over plain HTTP. It knows its nodes by name and address, and needs neither keys nor secrets. */
export const ToyServer = z.strictObject({ engine: z.literal('toy'), url: z.url() });
export type ToyServer = z.infer<typeof ToyServer>;

export function toyTraits({ url }: ToyServer): Traits {
  return {
    displayName: url,
    serverId: `toy/${url}`,
    showsKey: false,
    awsApi: null,
    reservedNames: [],
    nodeKey: null,
    secrets: [],
    installation: null,
  };
}
