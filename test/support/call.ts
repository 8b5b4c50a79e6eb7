import { operationsOf } from '../../world/wire/endpoint.ts';
import type { Service } from '../../world/wire/service.ts';

/** Calls an operation of a double as the port does, without the port: its answer, or the rejection it refuses with. */
export async function call<Answer = unknown>(
  service: Service,
  operation: string,
  input: object,
  where: { readonly region?: string } = {},
): Promise<Answer> {
  const found = operationsOf(service).get(operation);
  if (!found) throw new Error(`The double of ${service.name} has no operation ${operation}.`);
  return (await found(input as never, { requestId: '00000000-0000-4000-8000-000000000000', ...where })) as Answer;
}
