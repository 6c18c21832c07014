"""Jobs that come with Catchment; ``read`` packs each as an archive of the site would be."""
