"""`vitrine-export beside-rembg`: our cut-out beside rembg's, with the same network on the same pictures."""
