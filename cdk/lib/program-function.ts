import { ArnFormat, RemovalPolicy, Stack, type Duration } from 'aws-cdk-lib';
import type * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Settings } from '../settings';
import type { FunctionName, Packages } from './packages';
import { LOGS, allow, programRole } from './permissions';

export interface ProgramFunctionProps {
  readonly settings: Settings;
  readonly packages: Packages;
  readonly program: FunctionName;
  readonly memoryMiB: number;
  readonly timeout: Duration;
  readonly environment: Readonly<Record<string, string>>;
  /** Invocations at once, taken from the account's; unless given as many as the account has left. */
  readonly atOnce?: number;
  /** What the program may do, beside writing its log. */
  readonly statements: readonly iam.PolicyStatement[];
}

/** One of our programs as a Lambda function, with a role and a log of its own. */
export class ProgramFunction extends Construct {
  readonly function: lambda.Function;

  constructor(scope: Construct, id: string, props: ProgramFunctionProps) {
    super(scope, id);
    const functionName = `${props.settings.name}-${props.program}`;
    const log = new logs.LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // By its name, so that the role does not wait for the log it writes to.
    const stream = Stack.of(this).formatArn({
      service: 'logs',
      resource: 'log-group',
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      resourceName: `/aws/lambda/${functionName}:*`,
    });
    const arm = props.settings.architecture === 'arm64';
    this.function = new lambda.Function(this, 'Function', {
      functionName,
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: arm ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      handler: 'bootstrap',
      code: props.packages.code(props.program),
      role: programRole(this, props.program, 'lambda.amazonaws.com', [...props.statements, allow(LOGS, [stream])]),
      memorySize: props.memoryMiB,
      timeout: props.timeout,
      logGroup: log,
      environment: { ...props.environment },
      ...(props.atOnce !== undefined && { reservedConcurrentExecutions: props.atOnce }),
      // The next beat of the schedule, or the event source, does what this one did not.
      retryAttempts: 0,
    });
  }
}
