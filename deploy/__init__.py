"""What MoWS is installed with; docs/DEPLOY.md is the way through it. Programs here make files that lie beside them."""
