"""What runs on the platform: the API, the controllers, the images and the plans. Never imports pulumi."""
