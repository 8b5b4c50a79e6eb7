/** Runs before each test file: files share their modules, so a hook in a shared module would be registered only once. */
import { afterEach } from 'vitest';
import { closeOpened } from './opened.ts';

afterEach(closeOpened);
