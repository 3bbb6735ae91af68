import { read } from '../settings';

/** Prints the settings of a file once they are checked; says on standard error what is wrong with them. */
try {
  console.log(JSON.stringify(read(process.argv[2] ?? 'settings.json')));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
