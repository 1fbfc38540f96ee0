"""Container trial: builds the images and runs docker-compose.yml by podman, without a registry."""
