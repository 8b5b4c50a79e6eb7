declare module 'asl-validator' {
  /** Checks a definition (JSON, parsed) against the language's schema, and its transitions. It writes into it. */
  export default function validate(definition: object): {
    isValid: boolean;
    errors: { 'Error code': string; Message?: string; schemaError?: { instancePath: string; message: string } }[];
  };
}
