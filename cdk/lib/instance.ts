import { Duration, Stack } from 'aws-cdk-lib';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { VpcOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { Construct } from 'constructs';
import { NETWORK } from './network';
import { OBJECTS_READ, allow, programRole } from './permissions';
import { PORT, environment, statements, type QueryServiceProps } from './query-service';

export interface InstanceProps extends QueryServiceProps {
  readonly vpc: ec2.Vpc;
}

const PROGRAM = '/usr/local/bin/cloudping-query-service';

/**
 * The small service: the program itself on one instance without a way to or from the internet. CloudFront comes through interfaces of its own;
 * S3 and DynamoDB are reached by the network's gateways, which cost nothing.
 */
export class Instance extends Construct {
  readonly instance: ec2.Instance;
  readonly origin: cloudfront.IOrigin;

  constructor(scope: Construct, id: string, private readonly props: InstanceProps) {
    super(scope, id);
    const { settings, vpc } = props;
    const program = new Asset(this, 'Program', { path: props.packages.service });
    const group = new ec2.SecurityGroup(this, 'Group', { vpc, description: 'Query service: only from within' });
    group.addIngressRule(ec2.Peer.ipv4(NETWORK), ec2.Port.tcp(PORT), 'CloudFront');
    this.instance = new ec2.Instance(this, 'Instance', {
      vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
      securityGroup: group,
      instanceType: new ec2.InstanceType(settings.serving.instance),
      // Taken out again below, where the launch template names it.
      machineImage: ec2.MachineImage.genericLinux({ [settings.homeRegion]: 'ami-00000000000000000' }),
      role: programRole(this, 'query-service', 'ec2.amazonaws.com', [
        ...statements(props),
        allow(OBJECTS_READ, [program.bucket.arnForObjects(program.s3ObjectKey)]),
      ]),
      // A burst beyond what was earned would be paid for by the hour.
      creditSpecification: ec2.CpuCredits.STANDARD,
      blockDevices: [{ deviceName: '/dev/xvda', volume: ec2.BlockDeviceVolume.ebs(8, { encrypted: true, volumeType: ec2.EbsDeviceVolumeType.GP3 }) }],
      userData: this.boot(program),
    });
    this.launchAs(settings.architecture);
    this.origin = VpcOrigin.withEc2Instance(this.instance, {
      protocolPolicy: cloudfront.OriginProtocolPolicy.HTTP_ONLY,
      httpPort: PORT,
      readTimeout: Duration.seconds(60),
    });
  }

  /** Amazon Linux 2023 as it is when the instance is made. EC2 looks the name up, not CloudFormation: a newer image replaces no instance. */
  private launchAs(architecture: string): void {
    const template = new ec2.CfnLaunchTemplate(this, 'Launch', {
      launchTemplateData: {
        imageId: `resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${architecture}`,
        metadataOptions: { httpTokens: 'required' },
      },
    });
    const { instance } = this.instance;
    instance.launchTemplate = { launchTemplateId: template.ref, version: template.attrLatestVersionNumber };
    instance.addPropertyDeletionOverride('ImageId');
  }

  /**
   * Run at each start, not only at the first: CloudFormation gives an instance new user data by stopping and starting it, so that an update
   * keeps the instance and with it CloudFront's way to it.
   */
  private boot(program: Asset): ec2.MultipartUserData {
    const script = ec2.UserData.forLinux({ shebang: '#!/bin/bash\nset -euo pipefail' });
    const downloaded = script.addS3DownloadCommand({ bucket: program.bucket, bucketKey: program.s3ObjectKey, localFile: `${PROGRAM}.new` });
    const variables = { AWS_REGION: Stack.of(this).region, ...environment(this.props) };
    script.addCommands(
      `install --mode 755 ${downloaded} ${PROGRAM} && rm ${downloaded}`,
      'mkdir --parents /etc/cloudping',
      `cat > /etc/cloudping/environment <<'END'\n${Object.entries(variables).map(([name, value]) => `${name}=${value}`).join('\n')}\nEND`,
      `cat > /etc/systemd/system/cloudping-query-service.service <<'END'\n${UNIT}\nEND`,
      'systemctl daemon-reload',
      'systemctl enable cloudping-query-service',
      'systemctl restart cloudping-query-service',
    );
    const parts = new ec2.MultipartUserData();
    parts.addPart(ec2.MultipartBody.fromRawBody({
      contentType: 'text/cloud-config; charset="utf-8"',
      body: 'cloud_final_modules:\n  - [scripts-user, always]\n',
    }));
    parts.addUserDataPart(script, ec2.MultipartBody.SHELL_SCRIPT, true);
    return parts;
  }
}

/** What it logs goes to the console too, which EC2 shows: the instance has no way to CloudWatch. */
const UNIT = `[Unit]
Description=cloudping query service
After=network-online.target
Wants=network-online.target

[Service]
EnvironmentFile=/etc/cloudping/environment
ExecStart=${PROGRAM}
DynamicUser=yes
StandardOutput=journal+console
StandardError=journal+console
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target`;
