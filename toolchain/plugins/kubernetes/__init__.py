"""The kubernetes provider: any object of pulumi-kubernetes' schema, over the official client's connection.

Where it differs from the official plugin of the same version, on purpose:
- Objects are made by server-side apply from the first, under a field manager that follows from the URN; one that an
  interrupted `up` left behind is known by it and taken over. One that somebody else made is an error, as there.
- A difference that the API server, asked in a dry run, does not see (1024Mi for 1Gi, a default written out) is none;
  one that it refuses as immutable replaces, except where replacing would lose data.
- What only the real run decides (uid, clusterIP, nodePort) is unknown in a preview.
- A Service that finds no pod at all for two seconds is not waited for: waiting could block what makes its pods.
- Waiting ends with what containers, conditions and events say, and with the last log lines of what crashes.
- The state leaves managedFields out. A refresh does not judge readiness.
- Helm, kustomize, yaml/v2, renderYamlToDirectory and client-side apply are refused in plain words.
"""
