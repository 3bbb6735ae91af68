import { CfnOutput } from 'aws-cdk-lib';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { Containers } from './containers';
import { Instance } from './instance';
import { NETWORK } from './network';
import type { Packages } from './packages';
import { PartStack } from './part-stack';

export interface ServingProps {
  readonly packages: Packages;
  readonly table: dynamodb.ITable;
  readonly archive: s3.IBucket;
  readonly accessLogs: s3.IBucket;
  readonly vpc: ec2.Vpc;
  /** ARN of the firewall before the edge, if there is one. */
  readonly firewall: string | undefined;
}

/** The query service, on an instance or in containers, behind CloudFront and nothing else. */
export class ServingStack extends PartStack {
  readonly backend: Instance | Containers;
  readonly distribution: cloudfront.Distribution;

  constructor(scope: Construct, settings: Settings, private readonly props: ServingProps) {
    super(scope, settings, 'serving', settings.homeRegion, { description: 'cloudping: query service', crossRegionReferences: props.firewall !== undefined });
    const service = { settings, proxies: NETWORK, ...props };
    this.backend = settings.serving.size === 'large' ? new Containers(this, 'Containers', service) : new Instance(this, 'Small', service);
    this.distribution = this.edge();
    new CfnOutput(this, 'Address', {
      value: `https://${settings.serving.domain?.name ?? this.distribution.distributionDomainName}`,
    });
    new CfnOutput(this, 'EdgeName', { value: this.distribution.distributionDomainName });
  }

  private edge(): cloudfront.Distribution {
    const { domain } = this.settings.serving;
    const { firewall } = this.props;
    return new cloudfront.Distribution(this, 'Edge', {
      comment: `${this.settings.name}: query service`,
      defaultBehavior: {
        origin: this.backend.origin,
        viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
        allowedMethods: cloudfront.AllowedMethods.ALLOW_ALL,
        // Answers differ by key, and live ones are stale at once: the service caches what can be.
        cachePolicy: cloudfront.CachePolicy.CACHING_DISABLED,
        // With CloudFront-Viewer-Address, by which the service counts addresses.
        originRequestPolicy: cloudfront.OriginRequestPolicy.ALL_VIEWER_AND_CLOUDFRONT_2022,
        responseHeadersPolicy: cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
      },
      ...(firewall && { webAclId: firewall }),
      enableLogging: true,
      logBucket: this.props.accessLogs,
      logFilePrefix: 'edge/',
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      ...(domain && {
        domainNames: [domain.name],
        minimumProtocolVersion: cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
        certificate: acm.Certificate.fromCertificateArn(this, 'Certificate', domain.certificateArn),
      }),
    });
  }
}
