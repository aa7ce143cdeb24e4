"""The docker provider over docker-py: containers, images, tags, networks and volumes of pulumi-docker's schema.

Where it differs from the official plugin of the same version, on purpose:
- A change that the engine can't make in place replaces, also where the official schema says that it updates and then
  does nothing: healthcheck, init, rm, tmpfs, and a limit that is taken away.
- A container, network or volume of that name that somebody else made is an error; the official plugin takes a volume
  over silently. One that this resource made (label cairn.pulumi-urn) but no state knows is taken over (volumes) or made
  anew.
- A container that has to run and ends at once is an error with its last log lines; `wait` too tells logs and checks.
- Another content of an uploaded file that lies in a mounted volume is written there; the official plugin replaces the
  container, which then has the same volume. On a root of the container's own it replaces.
- Uploaded contents and registry passwords are secret without being declared so.
- Images: BuilderV1 only, nothing is built in a preview, and a refresh finds that an image is gone.
"""
